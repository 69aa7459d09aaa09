import { readFile } from 'node:fs/promises';

import type { PlaygroundFile } from '../routes/playground.ts';

/** A file of the playground, from the folder in which they lie. */
export function readPlaygroundFile(file: PlaygroundFile): Promise<string> {
  return readFile(new URL(`../playground/${file}`, import.meta.url), 'utf8');
}
