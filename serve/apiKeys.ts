/** Who may ask, and for what. Free of any platform; files of keys are in node/keysFile.ts. */
import * as v from 'valibot';

import { sha256Hex } from '../export/bundle.ts';

/** What a key is good for: `predict` asks models, `admin` may exchange them too. */
const KEY_SCOPES = ['predict', 'admin'] as const;
export type KeyScope = (typeof KEY_SCOPES)[number];

const storedKeySchema = v.strictObject({
  /** Names the key in logs and lists; says nothing about it. */
  id: v.pipe(v.string(), v.regex(/^[a-z0-9]{8}$/)),
  /** For people. */
  name: v.exactOptional(v.string()),
  scope: v.picklist(KEY_SCOPES),
  /** SHA-256 of the key. That is enough, without salt or stretching, because a key is 256 random bits, which nobody can guess. */
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  created: v.pipe(v.string(), v.isoTimestamp()),
});

/** What a file of keys holds. */
export const keysFileSchema = v.strictObject({ schemaVersion: v.literal(1), keys: v.array(storedKeySchema) });

/** A key as it is kept: nothing from which the key itself could be had. */
export type StoredKey = v.InferOutput<typeof storedKeySchema>;

/**
 * The stored key that a client's key is, if it is one. All are compared, each in full: how long it takes tells nothing about any.
 *
 * @example await findKey(keys, 'ulmfit_…'); // { id: 'k3w9x0ab', scope: 'predict', … } or undefined
 */
export async function findKey(keys: readonly StoredKey[], presented: string): Promise<StoredKey | undefined> {
  const hash = await sha256Hex(presented);
  let found: StoredKey | undefined;
  for (const key of keys) if (isSame(key.sha256, hash)) found = key;
  return found;
}

/** Compares two texts of one length in a time that does not depend on where they differ. */
function isSame(one: string, other: string): boolean {
  let difference = one.length ^ other.length;
  for (let place = 0; place < one.length; place++) difference |= one.charCodeAt(place) ^ other.charCodeAt(place);
  return difference === 0;
}
