import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { projectFolder } from './engine/cache.ts';

/** Where the models lie that come with this program. */
const FOLDER = join(projectFolder(), 'models');

/** A model's name, or one of a pair: `wiki-small`, `wiki-small/backward`. */
const NAME = /^[a-z0-9][a-z0-9-]*(?:\/(?:forward|backward))?$/;

/** The folder in a classifier's that holds its bundle. */
const BUNDLE = 'bundle';

/**
 * Where a model lies that is named by its path, or by its name where it came with this program. A path that exists comes first.
 *
 * @param folder where shipped models lie
 * @returns the path as given where neither is there; whoever reads it says so
 * @example await locateModel('wiki-small'); // '/usr/lib/node_modules/ulmfit/models/wiki-small'
 */
export async function locateModel(pathOrName: string, folder: string = FOLDER): Promise<string> {
  if (!NAME.test(pathOrName) || (await exists(pathOrName))) return pathOrName;
  const shipped = join(folder, pathOrName);
  return (await exists(shipped)) ? shipped : pathOrName;
}

/**
 * Where a bundle lies: as {@link locateModel}, and of a folder that holds one, as that of a shipped classifier and that of `ulmfit fit` do, the bundle
 * inside.
 */
export async function locateBundle(pathOrName: string, folder: string = FOLDER): Promise<string> {
  const found = await locateModel(pathOrName, folder);
  const inside = join(found, BUNDLE);
  const isBundle = (path: string) => exists(join(path, 'bundle.json'));
  return !(await isBundle(found)) && (await isBundle(inside)) ? inside : found;
}

/** The names of the models that came with this program, in alphabetical order. */
export async function shippedModels(folder: string = FOLDER): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .toSorted();
}

/** The names of those that can be served. */
export async function shippedBundles(folder: string = FOLDER): Promise<string[]> {
  const names = await shippedModels(folder);
  const served = await Promise.all(names.map((name) => exists(join(folder, name, BUNDLE))));
  return names.filter((_, index) => served[index]);
}

/** The rest of an advice to give a path, such as `, or the name of a model that came with ulmfit: "wiki-small"`. */
export function orName(names: readonly string[]): string {
  return names.length === 0 ? '' : `, or the name of a model that came with ulmfit: ${names.map((name) => `"${name}"`).join(', ')}`;
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
