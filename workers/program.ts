/** Where the Worker's code lies, and what must be installed beside this program to build it. For Node. */
import { readFileSync } from 'node:fs';
import { createRequire, findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';

import { UserError } from '../text/errors.ts';

const PACKAGE = findPackageJSON(import.meta.url) ?? 'package.json';

/** The Worker's sources, from which wrangler builds it, whether this program is a source itself or compiled. */
export const WORKERS_FOLDER = join(dirname(PACKAGE), 'workers');

/**
 * A file of a package that only deployments need, and that does not come along with this program.
 *
 * @param specifier as a program would import it: `wrangler/package.json`
 * @param purpose of the package, for the message
 * @throws UserError when it is not installed
 */
export function installedFile(specifier: string, purpose: string): string {
  try {
    return createRequire(import.meta.url).resolve(specifier);
  } catch {
    const [name = specifier] = specifier.split('/');
    throw new UserError(`${name} is not installed, which ${purpose}. Install it with \`npm install ${name}@${peerVersion(name)}\`.`);
  }
}

/** The version of a package that this program was made for. */
function peerVersion(name: string): string {
  const { peerDependencies } = JSON.parse(readFileSync(PACKAGE, 'utf8')) as { peerDependencies: Readonly<Record<string, string>> };
  return peerDependencies[name] ?? 'latest';
}
