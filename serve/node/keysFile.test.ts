import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { UserError } from '../../text/errors.ts';
import { findKey } from '../apiKeys.ts';
import { addKey, readKeys, revokeKey } from './keysFile.ts';

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-keys-'));
  file = join(folder, 'keys.json');
});

afterEach(() => rm(folder, { recursive: true }));

it('keeps hashes of keys, in a file that its owner alone may read', async () => {
  const { key, stored } = await addKey(file, { scope: 'admin', name: 'deploy' });
  const other = await addKey(file, { scope: 'predict' });
  expect(key).toMatch(/^ulmfit_[A-Za-z0-9_-]{43}$/);
  expect(await readKeys(file)).toEqual([stored, other.stored]);
  const text = await readFile(file, 'utf8');
  for (const secret of [key, other.key]) expect(text).not.toContain(secret.slice('ulmfit_'.length));
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await findKey(await readKeys(file), key)).toEqual(stored);
  expect(await findKey(await readKeys(file), `${key}x`)).toBeUndefined();
});

it('takes keys out', async () => {
  const { key, stored } = await addKey(file, { scope: 'predict' });
  const other = await addKey(file, { scope: 'predict' });
  await revokeKey(file, stored.id);
  expect(await readKeys(file)).toEqual([other.stored]);
  expect(await findKey(await readKeys(file), key)).toBeUndefined();
  await expect(revokeKey(file, stored.id)).rejects.toThrow(UserError);
});

it.each([
  ['what is no JSON', 'keys'],
  ['something else', '{"keys": []}'],
  [
    'a key with an unknown scope',
    JSON.stringify({
      schemaVersion: 1,
      keys: [{ id: 'abcdefgh', scope: 'root', sha256: '0'.repeat(64), created: '2026-01-31T12:00:00.000Z' }],
    }),
  ],
])('refuses a file with %s, and leaves it as it is', async (_what, text) => {
  await writeFile(file, text);
  await expect(readKeys(file)).rejects.toThrow(UserError);
  await expect(addKey(file, { scope: 'predict' })).rejects.toThrow(UserError);
  expect(await readFile(file, 'utf8')).toBe(text);
});

it('says what cannot be read or written', async () => {
  await expect(readKeys(file)).rejects.toThrow('`ulmfit keys add');
  await expect(readKeys(folder)).rejects.toThrow('it is a folder');
  await expect(addKey(join(folder, 'nowhere', 'keys.json'), { scope: 'predict' })).rejects.toThrow(UserError);
});
