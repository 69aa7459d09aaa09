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

test('for GPUs there is a build on x64, with NVIDIA’s libraries, each with a checksum of its own', () => {
  const { name, device, wheel, nvidia } = engineBuild({ platform: 'linux', arch: 'x64', glibc: '2.36' }, 'gpu');
  expect({ name, device }).toEqual({ name: 'tensorflow-2.21.0-gpu-linux-x64', device: 'gpu' });
  const hashes = [wheel, ...nvidia].map(({ sha256 }) => sha256);
  for (const hash of hashes) expect(hash).toMatch(/^[0-9a-f]{64}$/);
  expect(new Set(hashes).size).toBe(hashes.length);
  // What TensorFlow opens, by the names it uses.
  const opened = ['libcudart.so.12', 'libcublas.so.12', 'libcublasLt.so.12', 'libcufft.so.11', 'libcusolver.so.11', 'libcusparse.so.12'];
  expect(nvidia.flatMap(({ libraries }) => libraries)).toEqual(expect.arrayContaining([...opened, 'libcudnn.so.9']));
  expect(() => engineBuild({ platform: 'linux', arch: 'arm64', glibc: '2.36' }, 'gpu')).toThrow(
    /GPUs on x64 processors alone, and this is arm64/,
  );
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
