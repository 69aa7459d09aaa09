/** Documents in pieces, as far as the server's settings matter to them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ulmfit } from '../../test/cli/commandLine.ts';
import { writeTinyBundle, type TinyClassifier } from '../../test/fixtures/tinyClassifier.ts';
import type { LabelScore } from '../schema.ts';
import { startServer } from './server.ts';
import type { ServerOptions } from './serverOptions.ts';
import { ask, errorIn, isAnswerOf, POLL, SIZES } from './testSupport.ts';

const BIN = join(import.meta.dirname, '../../trainer/bin.mjs');
const SECRET = 'sixteen characters';

let folder: string;
let bundle: string;
let model: TinyClassifier;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-pieces-'));
  bundle = join(folder, 'bundle');
  ({ model } = await writeTinyBundle(bundle, { ...SIZES, seed: 8 }));
});

afterAll(() => rm(folder, { recursive: true }));

/** Runs with servers, one for each of the options, and stops them. */
async function withServers(options: readonly ServerOptions[], run: (...urls: string[]) => Promise<void>): Promise<void> {
  const servers = await Promise.all(options.map((each) => startServer(bundle, { port: 0, threads: 1, ...each })));
  try {
    await run(...servers.map(({ url }) => url));
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

const goOn = (url: string, state?: string) =>
  ask(url, state === undefined ? { text: 'the film was go' } : { text: 'od but the story boring', state }, {
    path: '/v1/classify/continue',
  });

const stateFrom = async (url: string): Promise<string> => ((await (await goOn(url)).json()) as { state: string }).state;

async function expectWhole(response: Response): Promise<void> {
  expect(response.status).toBe(200);
  const { answer } = (await response.json()) as { answer: LabelScore[] };
  expect(isAnswerOf(model, 'the film was good but the story boring', answer)).toBe(true);
}

describe('a state that the client carries', () => {
  it('is good at another server with the same secret, and at no other', async () => {
    await withServers([{ stateSecret: SECRET }, { stateSecret: SECRET }, {}], async (first = '', second = '', other = '') => {
      await expectWhole(await goOn(second, await stateFrom(first)));
      for (const [url, from] of [
        [other, first],
        [first, other],
      ] as const)
        expect(await errorIn(await goOn(url, await stateFrom(from)))).toMatchObject({ status: 400, code: 'invalid_state' });
    });
  });

  it('is signed by the serve command with the secret of its environment', async () => {
    const env = { ...process.env, ULMFIT_STATE_SECRET: SECRET };
    const child = spawn(process.execPath, [BIN, 'serve', bundle, '--port', '0', '--threads', '1'], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      let output = '';
      child.stdout.on('data', (data: Buffer) => (output += data.toString()));
      await expect.poll(() => output, POLL).toMatch(/\n/);
      const state = await stateFrom(output.replace('listening on ', '').trim());
      await withServers([{ stateSecret: SECRET }], async (url = '') => expectWhole(await goOn(url, state)));
    } finally {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    }
  });

  it('needs a secret that is long enough, which no message repeats', async () => {
    const { code, stdout, stderr } = await ulmfit(['serve', bundle, '--port', '0'], { environment: { ULMFIT_STATE_SECRET: 'xyz' } });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('The secret that signs states has 3 characters');
    expect(stderr).toContain('ULMFIT_STATE_SECRET');
    expect(stderr).not.toContain('xyz');
  });
});

describe('sessions', () => {
  it('are as many, and wait as long, as is set', async () => {
    await withServers([{ maxSessions: 1, sessionIdleMilliseconds: 300_000 }], async (url = '') => {
      const begin = () => fetch(`${url}/v1/sessions`, { method: 'POST' });
      const { expires_at } = (await (await begin()).json()) as { expires_at: string };
      expect(Math.abs(Date.parse(expires_at) - Date.now() - 300_000)).toBeLessThan(60_000);
      expect(await errorIn(await begin())).toMatchObject({ status: 429, code: 'sessions_full' });
    });
  });
});
