import * as v from 'valibot';

import { modelFilesSchema, type ModelFiles } from '../../serve/modelFiles.ts';
import { DOWNLOADS_FILE } from './names.ts';
import { findAsset, streamAsset } from './assets.ts';

/** The files of the deployed model, where they may be had. */
export async function readDownloads(assets: Fetcher): Promise<ModelFiles | undefined> {
  const listed = await findAsset(assets, DOWNLOADS_FILE);
  if (listed === undefined) return undefined;
  const { files } = v.parse(modelFilesSchema, await listed.json());
  return { list: files, open: (name) => streamAsset(assets, name) };
}
