/** Keys in a file: made, listed, revoked. The file holds hashes; a key itself is shown once, when it is made. */
import { randomBytes, randomInt } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

import * as v from 'valibot';

import { UserError } from '../../text/errors.ts';
import { sha256Hex } from '../../export/bundle.ts';
import { keysFileSchema, type KeyScope, type StoredKey } from '../apiKeys.ts';

/** Tells a key from other secrets, for people and for scanners of repositories. */
const KEY_PREFIX = 'ulmfit_';
const KEY_BYTES = 32;
const ID_LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';
const ID_LENGTH = 8;

/**
 * The keys of a file.
 *
 * @throws UserError when there is no such file, or it holds something else.
 */
export async function readKeys(path: string): Promise<StoredKey[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new UserError(`The keys cannot be read from ${path}: ${reasonOf(error)}. \`ulmfit keys add ${path}\` makes a first one.`);
  }
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), keysFileSchema), text);
  if (!parsed.success) throw new UserError(`${path} is not a file of keys, as \`ulmfit keys add\` writes it.`);
  return parsed.output.keys;
}

/**
 * Makes a key, and the file where there is none.
 *
 * @returns the key, which is nowhere kept, and what is kept of it
 */
export async function addKey(
  path: string,
  { scope, name }: { scope: KeyScope; name?: string | undefined },
): Promise<{ key: string; stored: StoredKey }> {
  const keys = await readKeysIfAny(path);
  const key = KEY_PREFIX + randomBytes(KEY_BYTES).toString('base64url');
  const id = Array.from({ length: ID_LENGTH }, () => ID_LETTERS[randomInt(ID_LETTERS.length)]).join('');
  const stored: StoredKey = {
    id,
    ...(name !== undefined && { name }),
    scope,
    sha256: await sha256Hex(key),
    created: new Date().toISOString(),
  };
  await writeKeys(path, [...keys, stored]);
  return { key, stored };
}

/**
 * Takes a key out of the file.
 *
 * @throws UserError when no key has this id
 */
export async function revokeKey(path: string, id: string): Promise<void> {
  const keys = await readKeys(path);
  const others = keys.filter((key) => key.id !== id);
  if (others.length === keys.length) throw new UserError(`${path} has no key "${id}". \`ulmfit keys list ${path}\` shows those there are.`);
  await writeKeys(path, others);
}

async function readKeysIfAny(path: string): Promise<StoredKey[]> {
  try {
    return await readKeys(path);
  } catch (error) {
    const isThere = await open(path).then(
      (file) => file.close().then(() => true),
      (cause: unknown) => (cause as NodeJS.ErrnoException).code !== 'ENOENT',
    );
    if (isThere) throw error;
    return [];
  }
}

/** Writes beside the file and renames, so that a server never reads half of it. Nobody but its owner may read it. */
async function writeKeys(path: string, keys: readonly StoredKey[]): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify({ schemaVersion: 1, keys }, undefined, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw new UserError(`The keys cannot be written to ${dirname(path)}: ${reasonOf(error)}.`);
  }
}

function reasonOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'there is no such file or folder';
  if (code === 'EACCES') return 'this needs more rights';
  if (code === 'EISDIR') return 'it is a folder';
  return error instanceof Error ? error.message : String(error);
}
