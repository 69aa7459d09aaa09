import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { UserError } from '../../text/errors.ts';
import { pathWith } from './testSupport.ts';
import { findCompiler, findPython, requireCompiler, requirePip, run } from './tools.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ulmfit-tools-'));
  vi.stubEnv('CXX', undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const PYTHON = 'case "$1" in --version) echo Python 3.9.2 ;; *) echo "No module named pip" >&2; exit 1 ;; esac';

test('runs a command and tells how it ended', async () => {
  await expect(run(['/bin/sh', '-c'], ['echo out; echo error >&2; exit 3'])).resolves.toEqual({
    status: 3,
    signal: undefined,
    stdout: 'out\n',
    stderr: 'error\n',
  });
  await expect(run(['/bin/sh', '-c'], ['kill -9 $$'])).resolves.toMatchObject({ status: undefined, signal: 'SIGKILL' });
  await expect(run([join(folder, 'absent')], [])).resolves.toBeUndefined();
});

test('without Python, says how to get it', async () => {
  vi.stubEnv('PATH', folder);
  await expect(requirePip()).rejects.toThrow(UserError);
  await expect(requirePip()).rejects.toThrow(/Python 3 was not found on the PATH.*sudo apt install python3/);
});

test('takes `python` where it is Python 3, and not where it is Python 2', async () => {
  vi.stubEnv('PATH', pathWith(folder, { python: 'echo Python 3.12.1' }));
  await expect(findPython()).resolves.toEqual({ command: ['python'], version: 'Python 3.12.1' });
  pathWith(folder, { python: 'echo Python 2.7.18' });
  await expect(findPython()).resolves.toBeUndefined();
});

test('with a Python that has no pip, says how to get it', async () => {
  vi.stubEnv('PATH', pathWith(folder, { python3: PYTHON }));
  await expect(requirePip()).rejects.toThrow(UserError);
  await expect(requirePip()).rejects.toThrow(/Python has no pip.*sudo apt install python3-pip/);
});

test('without a compiler, says how to get one', async () => {
  vi.stubEnv('PATH', folder);
  await expect(requireCompiler()).rejects.toThrow(UserError);
  await expect(requireCompiler()).rejects.toThrow(/No C\+\+ compiler.*sudo apt install g\+\+/);
});

test('finds clang++ where there is no g++, and what CXX names before both', async () => {
  vi.stubEnv('PATH', pathWith(folder, { 'clang++': 'echo clang version 17', wrapped: 'echo "$@"' }));
  await expect(findCompiler()).resolves.toEqual({ command: ['clang++'], version: 'clang version 17' });
  vi.stubEnv('CXX', 'wrapped g++-13');
  await expect(findCompiler()).resolves.toEqual({ command: ['wrapped', 'g++-13'], version: 'g++-13 --version' });
});

test('a compiler in CXX that does not run is named', async () => {
  vi.stubEnv('CXX', 'g++-99');
  await expect(requireCompiler()).rejects.toThrow(/CXX names, "g\+\+-99", does not run/);
});
