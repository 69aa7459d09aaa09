import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Server } from 'node:net';

import { createAdaptorServer } from '@hono/node-server';
import { getConnInfo } from '@hono/node-server/conninfo';

import { UserError } from '../../text/errors.ts';
import type { StoredKey } from '../apiKeys.ts';
import { createApp } from '../app.ts';
import type { Classifier } from '../classifier.ts';
import { stoppingError } from '../errors.ts';
import { MemorySessionStore } from '../sessionStore.ts';
import { readKeys } from './keysFile.ts';
import { createLog, logRequest } from './log.ts';
import { Metrics } from './metrics.ts';
import { bundleFiles } from './modelFiles.ts';
import { ModelStore, type ModelSource } from './modelStore.ts';
import { openClassifier } from './openClassifier.ts';
import { readPlaygroundFile, requireLocalFiles } from './playgroundFiles.ts';
import { limitSlowRequests } from './slowRequests.ts';
import { DEFAULTS, LAST_ANSWERS_MILLISECONDS, requireOptions, type ServerOptions } from './serverOptions.ts';

/** A server that takes requests. */
export interface RunningServer {
  /** For example `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly models: ModelStore;
  /** That answers requests without a model's name. */
  readonly classifier: Classifier;
  /**
   * Reads the keys and the bundles' folders anew; a bundle of another version takes its model over. What cannot be read leaves things
   * as they are, and is told in the log.
   */
  reload(): Promise<void>;
  /** Takes nothing new but health checks, finishes what is in flight, gives the models' memory back. May be called more than once. */
  stop(): Promise<void>;
}

/** Longer than the minute for which load balancers keep idle connections, so that none sends a request into a closing one. */
const KEEP_ALIVE_MILLISECONDS = 75_000;
/** Of each model. Two keep the processors busy whatever interrupts one of them; each further one would cost another copy of the weights. */
const GRAPH_CALLS_AT_ONCE = 2;
/** How often connections are looked at whose client is too slow. */
const SLOW_CLIENT_CHECK_MILLISECONDS = 1_000;

/**
 * Loads bundles and serves them over HTTP. Requests are taken once the models are loaded and have answered a first text.
 *
 * @param bundles a folder, or several with their names; the first one is the default model
 * @throws UserError when a bundle or the keys cannot be read, an option makes no sense, what it needs is not installed, or the address is taken.
 * @example
 * const server = await startServer('runs/reviews/bundle', { port: 0 });
 * await fetch(`${server.url}/health`);
 * await server.stop();
 */
export async function startServer(bundles: string | readonly ModelSource[], options: ServerOptions = {}): Promise<RunningServer> {
  requireOptions(options);
  if (options.downloadable) await requireLocalFiles();
  const log = createLog(options.logLevel ?? 'error', options.logTo);
  let keys: readonly StoredKey[] | undefined = options.keysFile === undefined ? undefined : await readKeys(options.keysFile);
  const metrics = new Metrics();
  const models = await ModelStore.open(typeof bundles === 'string' ? [{ folder: bundles }] : bundles, {
    open: (folder) => openClassifier(folder, { ...options, callsAtOnce: GRAPH_CALLS_AT_ONCE, onTurn: metrics.onTurn }),
    filesOf: options.downloadable ? bundleFiles : undefined,
    modelsRoot: options.modelsRoot,
    onFault: (error) => log.error({ err: error }, 'fault'),
  });
  metrics.watch(models);

  let stopping: Promise<void> | undefined;
  const shutdown = new AbortController();
  const app = createApp({
    ...options,
    models,
    admin: models,
    sessions: new MemorySessionStore({ maxSessions: options.maxSessions, idleMilliseconds: options.sessionIdleMilliseconds }),
    keys: keys && (() => keys ?? []),
    maxConcurrency: options.maxConcurrency ?? DEFAULTS.maxConcurrency,
    clientAddress: (context) => getConnInfo(context).remote.address,
    metrics: metrics.respond,
    playground: readPlaygroundFile,
    isStopping: () => stopping !== undefined,
    shutdown: shutdown.signal,
    onFault: (error, requestId) => log.error({ requestId, err: error }, 'fault'),
    onRequest: (record) => {
      metrics.onRequest(record);
      logRequest(log, record);
    },
  });
  const server = createAdaptorServer({
    serverOptions: {
      keepAliveTimeout: KEEP_ALIVE_MILLISECONDS,
      headersTimeout: options.headersMilliseconds ?? DEFAULTS.headersMilliseconds,
      requestTimeout: 0, // see limitSlowRequests
      connectionsCheckingInterval: SLOW_CLIENT_CHECK_MILLISECONDS,
    },
    fetch: async (request, env) => {
      const response = await app.fetch(request, env);
      // A client that keeps its connection would otherwise keep a stopping server alive.
      if (stopping !== undefined) (env.outgoing as ServerResponse<IncomingMessage>).shouldKeepAlive = false;
      return response;
    },
  }) as Server & { closeAllConnections(): void };
  const answered = openResponses(server);
  limitSlowRequests(server, options.requestMilliseconds ?? DEFAULTS.requestMilliseconds);

  const reload = async (): Promise<void> => {
    try {
      if (options.keysFile !== undefined) keys = await readKeys(options.keysFile);
    } catch (error) {
      log.error({ err: error }, 'the keys were not read anew');
    }
    const { changed, failures } = await models.reload();
    for (const { name, current } of changed) log.info({ model: name, version: current.version }, 'model changed');
    for (const error of failures) log.error({ err: error }, 'a model was not read anew');
  };
  try {
    const url = await listen(server, options.host ?? DEFAULTS.host, options.port ?? DEFAULTS.port);
    const drainMilliseconds = options.drainMilliseconds ?? DEFAULTS.drainMilliseconds;
    return {
      url,
      models,
      get classifier() {
        return models.default.classifier;
      },
      reload,
      stop: () => (stopping ??= closeGracefully(server, answered, shutdown, drainMilliseconds).then(() => models.dispose())),
    };
  } catch (error) {
    await models.dispose();
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

/**
 * Counts the responses that are not finished; nothing of them is kept.
 *
 * @returns what resolves once those that are open at its call are finished
 */
function openResponses(server: Server): () => Promise<void> {
  let open = 0;
  let closing: PromiseWithResolvers<void> | undefined;
  server.on('request', (_request: IncomingMessage, response: ServerResponse) => {
    if (closing !== undefined) return;
    open += 1;
    response.once('close', () => {
      open -= 1;
      if (open === 0) closing?.resolve();
    });
  });
  return () => {
    closing = Promise.withResolvers();
    if (open === 0) closing.resolve();
    return closing.promise;
  };
}

/**
 * Waits for what is in flight, while new requests are told that the server is stopping and health checks that it lives; then closes.
 * Past the drain time gives up what is in flight, with an answer.
 */
async function closeGracefully(
  server: Server & { closeAllConnections(): void },
  answered: () => Promise<void>,
  shutdown: AbortController,
  drainMilliseconds: number,
): Promise<void> {
  let cutOff: NodeJS.Timeout | undefined;
  const giveUp = setTimeout(() => {
    shutdown.abort(stoppingError());
    // From here on, not from the beginning: on a machine that stood still meanwhile both would be due at once.
    cutOff = setTimeout(() => server.closeAllConnections(), LAST_ANSWERS_MILLISECONDS);
  }, drainMilliseconds);
  await answered();
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  clearTimeout(giveUp);
  clearTimeout(cutOff);
}
