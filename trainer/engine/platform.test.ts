import { expect, test } from 'vitest';
import { UserError } from '../../text/errors.ts';
import { engineBuild, thisMachine } from './platform.ts';

test.each([
  ['x64', 'tensorflow-cpu', 'manylinux_2_27_x86_64'],
  ['arm64', 'tensorflow', 'manylinux_2_27_aarch64'],
])('linux on %s has a wheel with a checksum', (arch, project, platform) => {
  const { name, wheel } = engineBuild({ platform: 'linux', arch, glibc: '2.27' });
  expect(name).toBe(`tensorflow-2.21.0-cpu-linux-${arch}`);
  expect(wheel).toMatchObject({ project, platform, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
});

test.each([
  [{ platform: 'darwin', arch: 'arm64', glibc: undefined }, /this is darwin on arm64: train on a Linux machine/],
  [{ platform: 'win32', arch: 'x64', glibc: undefined }, /WSL 2/],
  [{ platform: 'linux', arch: 'riscv64', glibc: '2.39' }, /linux on riscv64/],
  [{ platform: 'linux', arch: 'x64', glibc: undefined }, /GNU C library, and this one has another \(Alpine/],
  [{ platform: 'linux', arch: 'x64', glibc: '2.17' }, /2\.27 or newer, and this system has 2\.17/],
  [{ platform: 'linux', arch: 'x64', glibc: '1.99' }, /has 1\.99/],
])('refuses %o in one sentence with the cure', (machine, message) => {
  expect(() => engineBuild(machine)).toThrow(UserError);
  expect(() => engineBuild(machine)).toThrow(message);
});

test.runIf(process.platform === 'linux')('describes this machine', () => {
  expect(thisMachine()).toMatchObject({ platform: 'linux', arch: process.arch });
});
