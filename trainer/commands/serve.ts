import { existsSync } from 'node:fs';
import { locateBundle, orName, shippedBundles } from '../checkpoint/shippedModels.ts';
import { UserError } from '../../text/errors.ts';

/** What the command line can set; a limit that is left out has the server's default. */
export interface ServeOptions {
  /** 0 takes any free port. */
  readonly port?: number | undefined;
  readonly host?: string | undefined;
  /** Documents in one graph call. */
  readonly maxBatch?: number | undefined;
  /** Documents in flight. */
  readonly maxQueue?: number | undefined;
  /** The largest request body, in bytes. */
  readonly maxBody?: number | undefined;
}

/**
 * `ulmfit serve`: serves a bundle over HTTP until SIGTERM or SIGINT, then finishes what is in flight and returns. A second
 * signal ends the program at once.
 *
 * stdout gets one line, `listening on http://127.0.0.1:8080`, once requests are taken; stderr an example to paste.
 *
 * @param bundle the folder that `ulmfit export` wrote, or the name of a classifier that came with this program; default: the only one that did.
 * @throws UserError when the bundle cannot be read, an option makes no sense, or the address is taken.
 */
export async function serve(bundle: string | undefined, options: ServeOptions = {}): Promise<void> {
  const folder = bundle === undefined ? await onlyShippedBundle() : await folderOf(bundle);
  // Loaded here so that the other commands need no onnxruntime.
  const { startServer } = await import('../../serve/node/server.ts');
  const { host, port, maxBatch, maxQueue, maxBody } = options;
  const server = await startServer(folder, { host, port, maxBatch, maxQueue, maxBodyBytes: maxBody });
  const { name, version, task, labels } = server.classifier.bundle;
  console.error(`${name} ${version} (${task === 'regression' ? 'a number' : labels.join(', ')}). Try it:\n${exampleRequest(server.url)}`);
  console.log(`listening on ${server.url}`);
  await stopSignal();
  console.error('Stopping: finishing what is in flight.');
  await server.stop();
}

/** @throws UserError where there is no such folder, and no classifier of that name */
async function folderOf(bundle: string): Promise<string> {
  const folder = await locateBundle(bundle);
  if (existsSync(folder)) return folder;
  throw new UserError(`There is no folder ${bundle}. Give one that "ulmfit export" wrote${orName(await shippedBundles())}.`);
}

/** @throws UserError where none came with this program, or several */
async function onlyShippedBundle(): Promise<string> {
  const names = await shippedBundles();
  const [name] = names;
  if (name === undefined) throw new UserError('There is no bundle to serve. Name a folder that "ulmfit export" or "ulmfit fit" wrote.');
  if (names.length > 1) throw new UserError(`Name the classifier to serve: ${names.join(', ')}, or the folder of a bundle.`);
  return locateBundle(name);
}

function exampleRequest(url: string): string {
  return `  curl ${url}/v1/classify -H 'content-type: application/json' -d '{"inputs": "A fine film."}'`;
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
