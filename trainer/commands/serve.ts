import { existsSync } from 'node:fs';
import type { LogLevel } from '../../serve/node/log.ts';
import type { ModelSource } from '../../serve/node/modelStore.ts';
import { locateBundle, orName, shippedBundles } from '../shippedModels.ts';
import { UserError } from '../../text/errors.ts';

/** What the command line can set; a limit that is left out has the server's default. */
export interface ServeOptions {
  /** 0 takes any free port. */
  readonly port?: number | undefined;
  readonly host?: string | undefined;
  /** File of keys. */
  readonly keys?: string | undefined;
  readonly modelsRoot?: string | undefined;
  /** Whoever may ask may also have the models. */
  readonly downloadable?: boolean | undefined;
  readonly corsOrigin?: readonly string[] | undefined;
  /** Requests a minute of each client. */
  readonly rate?: number | undefined;
  readonly maxConcurrency?: number | undefined;
  /** Documents in one graph call. */
  readonly maxBatch?: number | undefined;
  /** Documents in flight. */
  readonly maxQueue?: number | undefined;
  /** The largest request body, in bytes. */
  readonly maxBody?: number | undefined;
  readonly maxTexts?: number | undefined;
  /** The longest text, in UTF-16 code units. */
  readonly maxText?: number | undefined;
  /** Seconds. */
  readonly deadline?: number | undefined;
  /** Seconds. */
  readonly drain?: number | undefined;
  /** Documents in pieces that are kept. */
  readonly maxSessions?: number | undefined;
  /** Minutes that one of them waits for its next piece. */
  readonly sessionIdle?: number | undefined;
  readonly threads?: number | undefined;
  readonly logLevel?: LogLevel | undefined;
}

/**
 * `ulmfit serve`: serves bundles over HTTP until SIGTERM or SIGINT, then finishes what is in flight and returns. A second
 * signal ends the program at once. SIGHUP reads the bundles' folders and the keys anew.
 *
 * The environment's ULMFIT_STATE_SECRET signs the states that clients carry; without it that is random.
 *
 * stdout gets one line, `listening on http://127.0.0.1:8080`, once requests are taken; stderr an example to paste, and the log.
 *
 * @param bundles folders that `ulmfit export` wrote, or names of classifiers that came with this program, each as itself or as `name=folder`;
 *   default: the only classifier that came with it.
 * @throws UserError when a bundle or the keys cannot be read, an option or the secret makes no sense, or the address is taken.
 */
export async function serve(bundles: readonly string[], options: ServeOptions = {}): Promise<void> {
  // Loaded here so that the other commands need no onnxruntime.
  const { startServer } = await import('../../serve/node/server.ts');
  const { keys, corsOrigin, rate, maxBody, maxText, deadline, drain, sessionIdle, ...same } = options;
  const server = await startServer(await sourcesOf(bundles), {
    ...same,
    keysFile: keys,
    corsOrigins: corsOrigin,
    requestsPerMinute: rate,
    maxBodyBytes: maxBody,
    maxTextLength: maxText,
    deadlineMilliseconds: milliseconds(deadline),
    drainMilliseconds: milliseconds(drain),
    sessionIdleMilliseconds: milliseconds(sessionIdle === undefined ? undefined : 60 * sessionIdle),
    // Not an option: whoever lists the processes of a machine sees those.
    stateSecret: process.env['ULMFIT_STATE_SECRET'],
  });
  for (const { name, current } of server.models.list()) {
    const { task, labels } = current.classifier.bundle;
    console.error(`${name} ${current.version} (${task === 'regression' ? 'a number' : labels.join(', ')})`);
  }
  console.error(`Try it:\n${exampleRequest(server.url, keys !== undefined)}`);
  const reload = () => void server.reload();
  process.on('SIGHUP', reload);
  const stop = stopSignal();
  // Last: whoever reads this line may send a signal at once.
  console.log(`listening on ${server.url}`);
  await stop;
  process.off('SIGHUP', reload);
  console.error('Stopping: finishing what is in flight.');
  await server.stop();
}

/** @throws UserError where none came with this program, or several */
async function onlyShippedBundle(): Promise<string> {
  const names = await shippedBundles();
  const [name] = names;
  if (name === undefined) throw new UserError('There is no bundle to serve. Name a folder that "ulmfit export" or "ulmfit fit" wrote.');
  if (names.length > 1) throw new UserError(`Name the classifier to serve: ${names.join(', ')}, or the folder of a bundle.`);
  return locateBundle(name);
}

async function sourcesOf(bundles: readonly string[]): Promise<ModelSource[]> {
  if (bundles.length === 0) return [{ folder: await onlyShippedBundle() }];
  return Promise.all(bundles.map(sourceOf));
}

/** @throws UserError where there is no such folder, and no classifier of that name */
async function folderOf(bundle: string): Promise<string> {
  const folder = await locateBundle(bundle);
  if (existsSync(folder)) return folder;
  throw new UserError(`There is no folder ${bundle}. Give one that "ulmfit export" wrote${orName(await shippedBundles())}.`);
}

/** `name=folder`, or a folder, whose bundle has a name. */
async function sourceOf(bundle: string): Promise<ModelSource> {
  const [, name, folder] = /^([^=/\\]*)=(.*)$/.exec(bundle) ?? [];
  if (name === undefined || folder === undefined) return { folder: await folderOf(bundle) };
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name) || folder === '') {
    throw new UserError(`"${bundle}" is not name=folder, with a name of up to 128 letters, digits, ".", "_" and "-".`);
  }
  return { name, folder: await folderOf(folder) };
}

function milliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.ceil(seconds * 1000);
}

function exampleRequest(url: string, needsKey: boolean): string {
  const key = needsKey ? ` -H 'authorization: Bearer <key>'` : '';
  return `  curl ${url}/v1/classify${key} -H 'content-type: application/json' -d '{"inputs": "A fine film."}'`;
}

/** Resolves at the first SIGTERM or SIGINT, and leaves the second one to Node, which ends the program. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      process.off('SIGTERM', stop);
      process.off('SIGINT', stop);
      resolve();
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
}
