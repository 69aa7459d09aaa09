import { readFile } from 'node:fs/promises';
import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';

import type { PlaygroundFile } from '../routes/playground.ts';

/** The folder of this program, whether this is a source or compiled: the page is neither. */
const PROGRAM = dirname(findPackageJSON(import.meta.url) ?? '');

/** A file of the playground, from the folder in which they lie. */
export function readPlaygroundFile(file: PlaygroundFile): Promise<string> {
  return readFile(join(PROGRAM, 'serve', 'playground', file), 'utf8');
}
