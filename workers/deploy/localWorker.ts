/** A built Worker on this machine, in workerd, on loopback. */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

import type { Wrangler } from './wrangler.ts';

/** How long it may take to start. */
const START_MILLISECONDS = 120_000;
const POLL_MILLISECONDS = 200;
/** The end of what wrangler said, for when it does not start. */
const LOG_CHARACTERS = 4_000;

/** A Worker that runs. */
export interface LocalWorker {
  readonly url: string;
  stop(): Promise<void>;
}

export interface LocalWorkerOptions {
  /** Where wrangler.json lies, and `.dev.vars` with the secrets, if there are any. What the Worker stores is kept there too. */
  readonly folder: string;
  readonly port?: number | undefined;
}

/**
 * Starts a Worker with `wrangler dev`: the platform's own runtime, with its storage and queues simulated. Nothing leaves the machine.
 *
 * @throws Error with the end of wrangler's output when it does not start.
 */
export async function startLocalWorker(wrangler: Wrangler, { folder, port }: LocalWorkerOptions): Promise<LocalWorker> {
  const number = port ?? (await freePort());
  const flags = {
    config: join(folder, 'wrangler.json'),
    ip: '127.0.0.1',
    port: number,
    'inspector-port': await freePort(),
    'persist-to': join(folder, 'state'),
    'show-interactive-dev-session': false,
  };
  const child = wrangler.start(['dev', '--local', ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)]);
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (piece: Buffer) => {
      log = (log + piece.toString()).slice(-LOG_CHARACTERS);
    });
  }
  const ended = once(child, 'close');
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
  };
  const url = `http://127.0.0.1:${number}`;
  const deadline = Date.now() + START_MILLISECONDS;
  while (!(await isUp(url))) {
    const hasEnded = child.exitCode !== null || child.signalCode !== null;
    if (hasEnded || Date.now() > deadline) {
      await stop();
      throw new Error(`The Worker did not start on this machine:\n${log.trim()}`);
    }
    await wait(POLL_MILLISECONDS);
  }
  return { url, stop };
}

/** Whether somebody answers. What is answered is for whoever asks in earnest. */
async function isUp(url: string): Promise<boolean> {
  try {
    await fetch(`${url}/health`, { signal: AbortSignal.timeout(START_MILLISECONDS) });
    return true;
  } catch {
    return false;
  }
}

/** A port of this machine that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
