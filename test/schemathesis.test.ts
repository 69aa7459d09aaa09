/**
 * The server against its own description: schemathesis sends what /openapi.json allows, and what it does not, to a real `ulmfit serve`, and checks
 * every answer. Needs an interpreter with the package schemathesis: ULMFIT_PYTHON names it, `python3` unless told.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { addKey } from '../serve/node/keysFile.ts';
import { ask } from '../serve/node/testSupport.ts';
import { writeTinyBundle } from './fixtures/tinyClassifier.ts';
import { temporaryFolder } from './temporaryFolder.ts';

/** An interpreter that is named must have the package; the system's own may lack it. */
const named = process.env['ULMFIT_PYTHON'];
const python = named ?? 'python3';
const probe = spawnSync(python, ['-c', 'import schemathesis'], { encoding: 'utf8' });
const missing = probe.error?.message ?? (probe.status === 0 ? undefined : `${python} cannot import schemathesis`);
const ROOT = join(import.meta.dirname, '..');

it(
  `finds nothing wrong${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  { skip: missing !== undefined && named === undefined, timeout: 300_000 },
  async () => {
    const folder = await temporaryFolder({});
    for (const version of ['1', '2']) {
      await writeTinyBundle(join(folder, version), { name: 'reviews', version, embedding: 8, hidden: 8, layers: 2 });
    }
    const keysFile = join(folder, 'keys.json');
    const { key } = await addKey(keysFile, { scope: 'admin' });
    // Limits that are quickly reached: the longest text that is allowed is one of those that are sent.
    const options = [
      '--max-text',
      '1000',
      '--max-texts',
      '8',
      '--keys',
      keysFile,
      '--models-root',
      folder,
      '--port',
      '0',
      '--log-level',
      'error',
    ];
    const server = spawn(process.execPath, ['trainer/bin.mjs', 'serve', join(folder, '1'), ...options], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const url = await listening(server.stdout);
      // Two versions, so that there is one to roll back to.
      const added = await ask(url, { folder: '2' }, { path: '/v1/models/reviews/versions', key });
      expect(added.status).toBe(201);
      const config = ['--config-file', join(import.meta.dirname, 'schemathesis.toml')];
      const settings = [
        '--header',
        `Authorization: Bearer ${key}`,
        '--max-examples',
        '8',
        '--seed',
        '1',
        '--request-timeout',
        '20',
        '--no-color',
        '--generation-database',
        'none',
      ];
      const { output, status } = await run(
        python,
        ['-m', 'schemathesis.cli', ...config, 'run', `${url}/openapi.json`, ...settings],
        folder,
      );
      expect(status, output).toBe(0);
      // It has seen every operation of the description but the one from which it reads that.
      const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as { paths: Record<string, object> };
      const { '/openapi.json': _itself, ...others } = paths;
      const operations = Object.values(others).reduce((sum, path) => sum + Object.keys(path).length, 0);
      expect(output).toContain(`Selected: ${operations}/${operations}`);
    } finally {
      server.kill('SIGTERM');
      await once(server, 'exit');
    }
  },
);

/** The address that a server prints once it takes requests. */
async function listening(stdout: NodeJS.ReadableStream): Promise<string> {
  let output = '';
  for await (const data of stdout) {
    output += String(data);
    const url = /^listening on (\S+)\n/.exec(output)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error(`The server did not start: ${output}`);
}

async function run(command: string, args: readonly string[], cwd: string): Promise<{ output: string; status: number | null }> {
  const env = { ...process.env, SCHEMATHESIS_HOOKS: join(import.meta.dirname, 'schemathesisHooks.py') };
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += String(data)));
  const [status] = (await once(child, 'close')) as [number | null];
  return { output, status };
}
