import { readdir, realpath } from 'node:fs/promises';
import { extname, join } from 'node:path';

import { UserError } from '../../text/errors.ts';
import { isBlank, type LabelledDocument, MAX_DOCUMENT_CHARACTERS, type ReadOptions } from './document.ts';
import { fileError, kindOf, openBytes, withoutCompression } from './source.ts';
import { decodeUtf8 } from './utf8.ts';

/** Endings of files that hold one text; old corpora name them by a bare number. */
const TEXT_EXTENSIONS: readonly string[] = ['.txt', '.text', ''];

/**
 * Documents of a folder with one folder a label (`pos/1.txt`, `neg/2.txt`): a file is a document, and files further down belong to the
 * label at the top. Order is that of the names. Hidden files, and files beside the label folders, are left out.
 * Where labels are not required, a folder of plain text files will do.
 *
 * @throws UserError where there are no label folders, a file in them is empty or no text, or something else than one label is asked for
 */
export async function* readLabelFolders(folder: string, options: ReadOptions): AsyncGenerator<LabelledDocument> {
  const labels = options.labels ?? 'required';
  if (labels === 'required') refuseOtherTasks(folder, options);
  const { folders, files } = await listFolder(folder);
  if (folders.length === 0 && labels === 'required') {
    throw new UserError(
      `${folder} holds no folders named by label, such as ${join(folder, 'pos')}. To read a table or JSON Lines in it, name the file.`,
    );
  }
  const hasLabels = labels !== 'ignored' && (options.task ?? 'singleLabel') === 'singleLabel';
  for (const label of folders) {
    for await (const file of walkFiles(join(folder, label))) yield await readTextFile(file, hasLabels ? label : undefined);
  }
  if (labels === 'required' || (labels === 'optional' && folders.length > 0)) return;
  for (const file of files) yield await readTextFile(join(folder, file), undefined);
}

/** A file lies in one folder, so it has one label. */
function refuseOtherTasks(folder: string, { task = 'singleLabel' }: ReadOptions): void {
  if (task === 'singleLabel') return;
  const [flag, due] = task === 'multiLabel' ? ['--multi-label', 'any number of labels'] : ['--regression', 'a number'];
  throw new UserError(
    `${folder} is a folder, which gives each document one label, but ${due} a document is asked for. Give a table or JSON Lines, or train without ${flag}.`,
  );
}

/** All files under a folder, in the order of their names, hidden ones left out; a link that leads back up is followed once. */
export async function* walkFiles(folder: string, above: readonly string[] = []): AsyncGenerator<string> {
  const real = await realpath(folder);
  if (above.includes(real)) return;
  const { folders, files } = await listFolder(folder);
  const names = [...folders, ...files].toSorted(byCodePoint);
  const isFolder = new Set(folders);
  for (const name of names) {
    if (isFolder.has(name)) yield* walkFiles(join(folder, name), [...above, real]);
    else yield join(folder, name);
  }
}

async function listFolder(folder: string): Promise<{ folders: string[]; files: string[] }> {
  const folders: string[] = [];
  const files: string[] = [];
  const names = await readdir(folder).catch((error: unknown) => {
    throw fileError(error, folder);
  });
  for (const name of names.filter((each) => !each.startsWith('.')).toSorted(byCodePoint)) {
    ((await kindOf(join(folder, name))) === 'folder' ? folders : files).push(name);
  }
  return { folders, files };
}

async function readTextFile(path: string, label: string | undefined): Promise<LabelledDocument> {
  if (!TEXT_EXTENSIONS.includes(extname(withoutCompression(path)).toLowerCase())) {
    throw new UserError(
      `${path} is not a text file by its name. Label folders hold .txt files (also .txt.gz, .txt.br or .txt.zst): take it out or rename it.`,
    );
  }
  const text = await readWholeText(path);
  if (isBlank(text)) throw new UserError(`${path} is empty. Remove the file or give it a text.`);
  return { fields: [text], label, origin: path };
}

async function readWholeText(path: string): Promise<string> {
  let text = '';
  for await (const part of decodeUtf8(openBytes(path), path)) {
    text += part;
    if (text.length > MAX_DOCUMENT_CHARACTERS)
      throw new UserError(`${path} is longer than ${MAX_DOCUMENT_CHARACTERS} characters. Break it into smaller documents.`);
  }
  return text.replaceAll('\r\n', '\n');
}

/** The same order everywhere, whatever the locale. */
function byCodePoint(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
