import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { cacheFolder, engineLayout } from '../engine/cache.ts';
import { ENGINE_MISSING, UNSUPPORTED, cacheWithLibrary, commandSource, pathWith, start, type Ending } from '../engine/testSupport.ts';

const python = realPython();
const NO_PIP = !python && 'there is no python3 with pip';

let base: string;
let folder: string;
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'ulmfit-setup-'));
});
afterAll(() => rmSync(base, { recursive: true }));
beforeEach(() => {
  folder = mkdtempSync(join(base, 'case-'));
});

const COMPILER = 'echo a compiler';

test.skipIf(UNSUPPORTED)('without Python: one sentence, exit code 2', async () => {
  const ending = await setup({ PATH: pathWith(join(folder, 'bin'), { 'g++': COMPILER }) });
  expect(ending.status).toBe(2);
  expect(ending.stderr).toMatch(/^Python 3 was not found on the PATH.*: install it, on Debian.*\n$/);
  expect(ending.stdout).toBe('');
});

test.skipIf(UNSUPPORTED)('with a Python that has no pip: one sentence, exit code 2', async () => {
  const script = 'case "$1" in --version) echo Python 3.9.2 ;; *) echo "No module named pip" >&2; exit 1 ;; esac';
  const ending = await setup({ PATH: pathWith(join(folder, 'bin'), { 'g++': COMPILER, python3: script }) });
  expect(ending).toMatchObject({ status: 2, stderr: expect.stringMatching(/^Python has no pip,.*\n$/) });
});

test.skipIf(UNSUPPORTED)('without a compiler: one sentence, exit code 2, and nothing is downloaded before', async () => {
  const ending = await setup({ PATH: pathWith(join(folder, 'bin'), {}), CXX: undefined });
  expect(ending).toMatchObject({ status: 2, stderr: expect.stringMatching(/^No C\+\+ compiler.*\n$/) });
  expect(readdirSync(join(folder, 'cache', 'engine'))).toEqual([]);
});

test.skipIf(UNSUPPORTED)('with a cache that cannot be written: one sentence, exit code 2', async () => {
  writeFileSync(join(folder, 'file'), '');
  const ending = await setup({ ULMFIT_CACHE: join(folder, 'file') });
  expect(ending.status).toBe(2);
  expect(ending.stderr).toMatch(/^The engine's folder .*file\/engine cannot be written to \(.*: name a folder .* ULMFIT_CACHE\.\n$/);
});

test.skipIf(UNSUPPORTED || NO_PIP)('without a network: one sentence, exit code 2', async () => {
  // Nothing listens on port 9 of this machine.
  const ending = await setup({ ...onlyIndex('http://127.0.0.1:9/simple'), PATH: pathWithPython() });
  expect(ending.status).toBe(2);
  expect(ending.stderr).toMatch(/^downloading TensorFlow .*\npip cannot reach its package index, .* run `npx ulmfit setup` again\.\n$/);
});

test.skipIf(UNSUPPORTED || NO_PIP)('with an index that has no such wheel: one sentence, exit code 2', async () => {
  const ending = await setup({ ...onlyFolder(folder), PATH: pathWithPython() });
  expect(ending.status).toBe(2);
  expect(ending.stderr).toMatch(/\npip found no tensorflow.*: use an index that has it.*\n$/);
});

test.skipIf(UNSUPPORTED || NO_PIP)(
  'with a wheel that is not the published one: one sentence, exit code 1, and nothing is installed',
  async () => {
    const { wheel, tensorflow } = engineLayout().build;
    const name = `${wheel.project.replaceAll('-', '_')}-${tensorflow}-cp311-cp311-${wheel.platform}.whl`;
    writeFileSync(join(folder, name), 'not the wheel that was published');
    const ending = await setup({ ...onlyFolder(folder), PATH: pathWithPython() });
    expect(ending.status).toBe(1);
    expect(ending.stderr).toMatch(/\nThe downloaded tensorflow.* is not the file that was published \(its SHA-256 differs\).*\n$/);
    expect(readdirSync(join(folder, 'cache', 'engine'))).toEqual(['download']);
  },
);

test.skipIf(ENGINE_MISSING)('with a compiler that fails: its words, exit code 1, and nothing is left half-made', async () => {
  cacheWithLibrary(join(folder, 'cache'));
  const script = 'case "$1" in --version) echo "g++ 4.8" ;; *) echo "unknown flag -std=c++17" >&2; exit 1 ;; esac';
  const ending = await setup({ PATH: pathWith(join(folder, 'bin'), { 'g++': script }), CXX: undefined });
  expect(ending.status).toBe(1);
  expect(ending.stderr).toMatch(/g\+\+ \(g\+\+ 4\.8\) could not compile .*: use GCC 10 .*\nunknown flag -std=c\+\+17\n$/);
  const { addons } = engineLayout(join(folder, 'cache'));
  expect(readdirSync(addons)).toEqual([]);
});

test.skipIf(UNSUPPORTED || NO_PIP || process.arch !== 'x64')('the engine for GPUs is another wheel, and another download', async () => {
  const ending = await setup({ ...onlyFolder(folder), PATH: pathWithPython() }, { gpu: true });
  expect(ending.status).toBe(2);
  expect(ending.stderr).toMatch(
    /^downloading TensorFlow 2\.21\.0 \(573 MB\)\npip found no tensorflow 2\.21\.0 for .*: use an index that has it.*\n$/,
  );
});

test.skipIf(ENGINE_MISSING)('where the engine works: says so on stdout, nothing on stderr, and needs no tool', async () => {
  const environment = { ULMFIT_CACHE: cacheFolder(), PATH: pathWith(join(folder, 'bin'), {}) };
  const ending = await setup(environment);
  expect(ending).toMatchObject({ status: 0, stderr: '' });
  expect(ending.stdout).toMatch(/^The training engine was installed already and works: TensorFlow 2\.21\.0 \(cpu\) in .*\n$/);
  const machine = await setup(environment, { json: true });
  expect(JSON.parse(machine.stdout)).toEqual({
    tensorflow: '2.21.0',
    build: 'cpu',
    device: 'cpu',
    folder: join(cacheFolder(), 'engine'),
    already: true,
  });
});

/** Runs the command with an empty cache, or the one that the environment names. */
function setup(environment: Readonly<Record<string, string | undefined>>, options: object = {}): Promise<Ending> {
  return start(commandSource('setup', options), { ULMFIT_CACHE: join(folder, 'cache'), ...environment }).ending;
}

function pathWithPython(): string {
  return pathWith(join(folder, 'bin'), { 'g++': COMPILER, python3: `exec '${python}' "$@"` });
}

/** Lets pip ask one index, whatever is configured on this machine. */
function onlyIndex(url: string): Record<string, string | undefined> {
  const unset = { PIP_FIND_LINKS: undefined, PIP_EXTRA_INDEX_URL: undefined, PIP_NO_INDEX: undefined };
  return { ...unset, PIP_CONFIG_FILE: '/dev/null', PIP_INDEX_URL: url, PIP_RETRIES: '1', no_proxy: '127.0.0.1' };
}

/** Lets pip look into one folder alone. */
function onlyFolder(path: string): Record<string, string | undefined> {
  return { PIP_CONFIG_FILE: '/dev/null', PIP_NO_INDEX: '1', PIP_FIND_LINKS: path, PIP_EXTRA_INDEX_URL: undefined };
}

/** The interpreter itself: what is called python3 may be a script that needs the rest of the PATH. */
function realPython(): string | undefined {
  try {
    const print = 'import sys, pip; print(sys.executable)';
    return execFileSync('python3', ['-c', print], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}
