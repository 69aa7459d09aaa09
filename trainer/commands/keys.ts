/** `ulmfit keys`: the keys of a server, in a file that holds their hashes. */
import type { KeyScope } from '../../serve/apiKeys.ts';
import * as keysFile from '../../serve/node/keysFile.ts';
import { printJson } from '../report/results.ts';

/** Makes a key: stdout gets it and nothing else, stderr what to do with it. */
export async function addKey(file: string, given: { readonly scope: KeyScope; readonly name?: string | undefined }): Promise<void> {
  const { key, stored } = await keysFile.addKey(file, given);
  console.log(key);
  console.error(`Key ${stored.id} (${stored.scope}) is in ${file}, which holds only its hash: keep the key now, it is not shown again.`);
}

/** Lists keys: id, scope, day and name. */
export async function listKeys(file: string, { json = false }: { readonly json?: boolean | undefined }): Promise<void> {
  const keys = await keysFile.readKeys(file);
  if (json) {
    return printJson(keys.map(({ id, name, scope, created }) => ({ id, name, scope, created })));
  }
  for (const { id, scope, created, name = '' } of keys)
    console.log(`${id}  ${scope.padEnd(7)}  ${created.slice(0, 10)}  ${name}`.trimEnd());
}

/** Takes a key out. */
export async function revokeKey(file: string, id: string): Promise<void> {
  await keysFile.revokeKey(file, id);
  console.error(`Key ${id} is no longer in ${file}. A running server refuses it after SIGHUP.`);
}
