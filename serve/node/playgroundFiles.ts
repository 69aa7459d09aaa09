import { readFile } from 'node:fs/promises';
import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { UserError } from '../../text/errors.ts';
import { LOCAL_FILES, type PlaygroundFile } from '../routes/playground.ts';
import { fileStream } from './modelFiles.ts';

const PROGRAM_PACKAGE = findPackageJSON(import.meta.url) ?? '';
/** The folder of this program, whether this is a source or compiled: the page is neither. */
const PROGRAM = dirname(PROGRAM_PACKAGE);
const IS_SOURCE = import.meta.url.endsWith('.ts');

/** What runs models in a browser. Its version must be the one that localWorker.js was compiled with. */
const RUNTIME = 'onnxruntime-web';

/** A file of the playground, from wherever it lies. */
export async function readPlaygroundFile(file: PlaygroundFile): Promise<string | ReadableStream<Uint8Array>> {
  if (file === 'localWorker.js') return IS_SOURCE ? compiledWorker() : readFile(join(PROGRAM, 'dist', 'playground', file), 'utf8');
  if (file in LOCAL_FILES) return fileStream(join(dirname(findRuntime() ?? ''), 'dist', file));
  return readFile(join(PROGRAM, 'serve', 'playground', file), 'utf8');
}

/**
 * Makes sure that there is all with which a browser runs models.
 *
 * @throws UserError that says what to install
 */
export async function requireLocalFiles(): Promise<void> {
  const wanted = (await readPackage(PROGRAM_PACKAGE)).peerDependencies?.[RUNTIME] ?? '';
  const found = findRuntime();
  if (found === undefined || (await readPackage(found)).version !== wanted) {
    const what = found === undefined ? 'is not installed' : 'is installed in another version';
    throw new UserError(
      `With --downloadable the playground runs models in the browser, on ${RUNTIME}, which ${what}. Install it with \`npm install ${RUNTIME}@${wanted}\`.`,
    );
  }
  if (IS_SOURCE) await compiledWorker();
}

/** The package.json of the runtime, where it is installed. */
function findRuntime(): string | undefined {
  try {
    return findPackageJSON(RUNTIME, import.meta.url);
  } catch {
    return undefined;
  }
}

interface Package {
  readonly version: string;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

const readPackage = async (path: string): Promise<Package> => JSON.parse(await readFile(path, 'utf8')) as Package;

let compiled: Promise<string> | undefined;

/** Among the sources it is compiled when it is first asked for. Named by its path: the package has the compiled file instead. */
function compiledWorker(): Promise<string> {
  compiled ??= compile();
  return compiled;
}

async function compile(): Promise<string> {
  const path = join(PROGRAM, 'workers', 'browser', 'build.ts');
  try {
    const builder = (await import(pathToFileURL(path).href)) as { compileLocalWorker(): Promise<string> };
    return await builder.compileLocalWorker();
  } catch (error) {
    throw new UserError(`With --downloadable the playground needs ${path}, which cannot be compiled here: ${(error as Error).message}`);
  }
}
