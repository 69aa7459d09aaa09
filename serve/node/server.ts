import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Server } from 'node:net';

import { createAdaptorServer } from '@hono/node-server';

import { UserError } from '../../text/errors.ts';
import { createApp } from '../app.ts';
import type { Classifier } from '../classifier.ts';
import { stoppingError } from '../errors.ts';
import { fixedModels } from '../modelRegistry.ts';
import { openClassifier } from './openClassifier.ts';

/** Every limit has a default: see DEFAULT_LIMITS. */
export interface ServerOptions {
  /** Loopback only, unless told. */
  readonly host?: string | undefined;
  /** 0 takes any free port. */
  readonly port?: number | undefined;
  readonly maxBatch?: number | undefined;
  readonly maxQueue?: number | undefined;
  readonly maxBodyBytes?: number | undefined;
  readonly maxTexts?: number | undefined;
  readonly deadlineMilliseconds?: number | undefined;
  /** How long `stop` waits for what is in flight. */
  readonly drainMilliseconds?: number | undefined;
  readonly threads?: number | undefined;
  /** Told of every fault that a client sees as 500 without detail. Written to stderr unless told. */
  readonly onFault?: ((error: unknown) => void) | undefined;
}

/** A server that takes requests. */
export interface RunningServer {
  /** For example `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly classifier: Classifier;
  /** Takes nothing new, finishes what is in flight, gives the model's memory back. May be called more than once. */
  stop(): Promise<void>;
}

export const DEFAULT_HOST = '127.0.0.1';
export const DEFAULT_PORT = 8080;
const DEFAULT_DRAIN_MILLISECONDS = 30_000;
/** After the drain time, how long the error answers to what is still in flight may take to leave. */
const LAST_ANSWERS_MILLISECONDS = 1_000;
/** Longer than the minute for which load balancers keep idle connections, so that none sends a request into a closing one. */
const KEEP_ALIVE_MILLISECONDS = 75_000;
/** The first graph call allocates and is slower: one document before the first client's. */
const WARM_UP_TEXT = 'The first call is the slowest one.';

/**
 * Loads a bundle and serves it over HTTP. Requests are taken once the model is loaded and has answered a first text.
 *
 * @throws UserError when the bundle cannot be read, a limit is not a number that makes sense, or the address is taken.
 * @example
 * const server = await startServer('runs/reviews/bundle', { port: 0 });
 * await fetch(`${server.url}/health`);
 * await server.stop();
 */
export async function startServer(bundleFolder: string, options: ServerOptions = {}): Promise<RunningServer> {
  requireWholeNumbers(options);
  const classifier = await openClassifier(bundleFolder, options);
  await classifier.classify([WARM_UP_TEXT]);

  let stopping: Promise<void> | undefined;
  const shutdown = new AbortController();
  const app = createApp({
    models: fixedModels([classifier]),
    maxBodyBytes: options.maxBodyBytes,
    maxTexts: options.maxTexts,
    deadlineMilliseconds: options.deadlineMilliseconds,
    isStopping: () => stopping !== undefined,
    shutdown: shutdown.signal,
    onFault: options.onFault ?? ((error) => console.error(error)),
  });
  const server = createAdaptorServer({
    serverOptions: { keepAliveTimeout: KEEP_ALIVE_MILLISECONDS },
    fetch: async (request, { outgoing }) => {
      const response = await app.fetch(request);
      // A client that keeps its connection would otherwise keep a stopping server alive.
      if (stopping !== undefined) (outgoing as ServerResponse<IncomingMessage>).shouldKeepAlive = false;
      return response;
    },
  }) as Server & { closeAllConnections(): void };
  try {
    const url = await listen(server, options.host ?? DEFAULT_HOST, options.port ?? DEFAULT_PORT);
    const drainMilliseconds = options.drainMilliseconds ?? DEFAULT_DRAIN_MILLISECONDS;
    return {
      url,
      classifier,
      stop: () => (stopping ??= closeGracefully(server, shutdown, drainMilliseconds).then(() => classifier.dispose())),
    };
  } catch (error) {
    await classifier.dispose();
    throw error;
  }
}

/** Listens, and tells the address under which clients reach the server. */
function listen(server: Server, host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    server.listen(port, host, () => {
      const address = server.address() as AddressInfo;
      resolve(`http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`);
    });
  });
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: 'Another program listens there. Choose another port, or 0 for any free one',
    EACCES: 'This needs more rights. Choose a port from 1024 on, or 0 for any free one',
    EADDRNOTAVAIL: 'This machine has no such address. Choose another host, or 0.0.0.0 for all of them',
    ENOTFOUND: 'There is no such host. Choose another one, or 0.0.0.0 for all addresses of this machine',
  };
  const reason = reasons[error.code ?? ''];
  return reason === undefined ? error : new UserError(`Cannot listen on ${host}, port ${port}. ${reason}.`);
}

/** Takes no new connections and waits for the open ones; past the drain time gives up what is in flight, with an answer. */
async function closeGracefully(
  server: Server & { closeAllConnections(): void },
  shutdown: AbortController,
  drainMilliseconds: number,
): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  const giveUp = setTimeout(() => shutdown.abort(stoppingError()), drainMilliseconds);
  const cutOff = setTimeout(() => server.closeAllConnections(), drainMilliseconds + LAST_ANSWERS_MILLISECONDS);
  await closed;
  clearTimeout(giveUp);
  clearTimeout(cutOff);
}

/** Timers count no further: a longer one would fire at once. */
const LONGEST_TIMER_MILLISECONDS = 2 ** 31 - 1;

/** Smallest and largest value of every option that is a number. */
const RANGES = {
  port: [0, 65_535],
  maxBatch: [1, 1024],
  maxQueue: [1, 1_000_000],
  maxBodyBytes: [1, 2 ** 30],
  maxTexts: [1, 1_000_000],
  deadlineMilliseconds: [1, LONGEST_TIMER_MILLISECONDS],
  drainMilliseconds: [0, LONGEST_TIMER_MILLISECONDS - LAST_ANSWERS_MILLISECONDS],
  threads: [1, 1024],
} as const satisfies Partial<Record<keyof ServerOptions, readonly [number, number]>>;

function requireWholeNumbers(options: ServerOptions): void {
  for (const [name, [smallest, largest]] of Object.entries(RANGES) as [keyof typeof RANGES, readonly [number, number]][]) {
    const value = options[name];
    if (value !== undefined && !(Number.isInteger(value) && value >= smallest && value <= largest)) {
      throw new UserError(`${name} is ${value}; it must be a whole number from ${smallest} to ${largest}.`);
    }
  }
}
