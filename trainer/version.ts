import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';

/** This program's version, as its package.json has it. */
export function version(): string {
  const path = findPackageJSON(import.meta.url);
  const { version: found } = JSON.parse(readFileSync(path ?? 'package.json', 'utf8')) as { version: string };
  return found;
}
