/** What a deployment keeps secret: uploaded beside the code, never written into its configuration. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { UserError } from '../../text/errors.ts';
import { sha256Hex } from '../../export/bundle.ts';
import type { StoredKey } from '../../serve/apiKeys.ts';
import { readKeys } from '../../serve/node/keysFile.ts';
import { LIMITS } from './limits.ts';

/** Secrets by the names under which the Worker finds them. */
export interface Secrets {
  readonly API_KEYS?: string;
  readonly STATE_SECRET?: string;
}

/** The id of the key that the deployment itself asks with. It is good until the next deployment with keys, and nobody knows it. */
const DEPLOYMENT_KEY_ID = 'deployed';

/**
 * The keys of a file as a secret, and a key besides with which this deployment tests itself.
 *
 * @throws UserError when the file cannot be read, or has more keys than a secret holds
 */
export async function keysSecret(path: string): Promise<{ readonly secret: string; readonly ownKey: string }> {
  const ownKey = randomBytes(32).toString('base64url');
  const own: StoredKey = { id: DEPLOYMENT_KEY_ID, scope: 'predict', sha256: await sha256Hex(ownKey), created: new Date().toISOString() };
  // Names are for people, and would take the room of keys.
  const keys = (await readKeys(path)).map(({ name: _name, ...key }) => key);
  const secret = JSON.stringify({ schemaVersion: 1, keys: [...keys, own] });
  if (Buffer.byteLength(secret) > LIMITS.secretBytes) {
    throw new UserError(
      `${path} has ${keys.length} keys; the platform's secrets hold ${LIMITS.secretBytes} bytes, which is about 30 keys. Revoke those that nobody uses.`,
    );
  }
  return { secret, ownKey };
}

/** A new secret for signing states that clients carry. */
export const newStateSecret = (): string => randomBytes(32).toString('base64url');

/** Writes secrets for `wrangler … --secrets-file`, readable by this user alone. @returns the file's path */
export async function writeSecretsFile(folder: string, secrets: Secrets): Promise<string> {
  const path = join(folder, 'secrets.json');
  await writeFile(path, JSON.stringify(secrets), { mode: 0o600 });
  return path;
}

/** Writes secrets where `wrangler dev` looks for them. */
export async function writeLocalSecrets(folder: string, secrets: Secrets): Promise<void> {
  const lines = Object.entries(secrets).map(([name, value]) => `${name}='${value}'\n`);
  await writeFile(join(folder, '.dev.vars'), lines.join(''), { mode: 0o600 });
}
