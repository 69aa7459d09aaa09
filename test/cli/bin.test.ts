import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

import { version } from '../../trainer/version.ts';
import { temporaryFolder } from '../temporaryFolder.ts';

const BIN = fileURLToPath(new URL('../../trainer/bin.mjs', import.meta.url));

/** Makes a program believe that it runs on Node 20. */
const OLD_NODE = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.19.0' } });";
/** And that it was not started from the project's own Node. */
const ELSEWHERE = "process.execPath = '/bin/sh';";

async function preload(...code: string[]): Promise<string> {
  return join(await temporaryFolder({ 'preload.cjs': code.join('\n') }), 'preload.cjs');
}

function run(args: readonly string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }));
  });
}

test('an old Node is refused in one sentence', async () => {
  expect(await run(['--require', await preload(OLD_NODE), BIN, '--version'])).toEqual({
    code: 1,
    stdout: '',
    stderr: `ulmfit needs Node.js 22.18 or newer, and this is ${process.version}. Install a newer one; in a copy of the repository, npm ci brings its own.\n`,
  });
});

test('an old Node hands over to the one that npm installed, exit code included', async () => {
  const file = await preload(OLD_NODE, ELSEWHERE);
  expect(await run(['--require', file, BIN, '--version'])).toEqual({ code: 0, stdout: `${version()}\n`, stderr: '' });
  expect(await run(['--require', file, BIN, 'trian'])).toMatchObject({ code: 2, stdout: '' });
});

test('a signal reaches the Node that was handed over to', async () => {
  const child = spawn(
    process.execPath,
    ['--require', await preload(OLD_NODE, ELSEWHERE), BIN, 'tokenize', '--json', 'ready', '--file', '-'],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  await once(child.stdout, 'data');
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([143, null]);
});

test('the program ends quietly when its reader does', async () => {
  const folder = await temporaryFolder({ 'texts.txt': 'Some words in a line.\n'.repeat(50_000) });
  const line = `"${process.execPath}" "${BIN}" tokenize --file "${join(folder, 'texts.txt')}" | head -n 1`;
  const ending = await new Promise((resolve) => {
    execFile('sh', ['-c', line], (error, stdout, stderr) => resolve({ error, stdout, stderr }));
  });
  expect(ending).toEqual({ error: null, stdout: 'xxbos xxmaj some words in a line .\n', stderr: '' });
});
