import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ENGINE_MISSING, UNSUPPORTED, commandSource, pathWith, start, type Ending } from '../engine/testSupport.ts';
import type { Finding } from './doctor.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ulmfit-doctor-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test.skipIf(UNSUPPORTED)('on a bare machine: exit code 1, every missing thing with its cure, no colour in a pipe', async () => {
  const ending = await doctor({}, { ULMFIT_CACHE: folder, PATH: pathWith(join(folder, 'bin'), {}), CXX: undefined });
  expect(ending).toMatchObject({ status: 1, stderr: '' });
  expect(ending.stdout).toMatch(/^ok +Node\.js +v\d+/m);
  for (const name of ['Engine', 'Python', 'C\\+\\+ compiler']) {
    expect(ending.stdout).toMatch(new RegExp(`^missing +${name} `, 'm'));
    expect(ending.stdout).toMatch(new RegExp(`^${name}: .{10,}`, 'm'));
  }
  expect(ending.stdout).not.toContain('\u001B');
});

test.skipIf(ENGINE_MISSING)('with the engine: exit code 0 even without the tools of the installation', async () => {
  const ending = await doctor({ json: true }, { PATH: pathWith(join(folder, 'bin'), {}), CXX: undefined });
  expect(ending).toMatchObject({ status: 0, stderr: '' });
  const { works, findings } = JSON.parse(ending.stdout) as { works: boolean; findings: Finding[] };
  expect(works).toBe(true);
  const byName = new Map(findings.map((finding) => [finding.name, finding]));
  expect(byName.get('Engine')).toMatchObject({
    ok: true,
    needed: true,
    detail: expect.stringMatching(/^TensorFlow 2\.21\.0, cpu build, \d{3} MB in /),
  });
  expect(byName.get('Matrix products')?.detail).toMatch(/^[1-9]\d* GFLOPS/);
  expect(byName.get('Python')).toMatchObject({ ok: false, needed: false, cure: expect.any(String) });
});

test.skipIf(ENGINE_MISSING)('where a GPU is asked for and is hidden: exit code 1, and the cure', async () => {
  const ending = await doctor({ json: true, device: 'gpu' }, { CUDA_VISIBLE_DEVICES: '-1' });
  expect(ending).toMatchObject({ status: 1, stderr: '' });
  const { works, findings } = JSON.parse(ending.stdout) as { works: boolean; findings: Finding[] };
  expect(works).toBe(false);
  expect(findings.find(({ name }) => name === 'GPU')).toMatchObject({
    ok: false,
    needed: true,
    cure: expect.stringMatching(/^CUDA_VISIBLE_DEVICES is "-1", which hides every GPU: unset it/),
  });
});

function doctor(options: object, environment: Record<string, string | undefined>): Promise<Ending> {
  return start(commandSource('doctor', options), environment).ending;
}
