/** Bundles as folders: written whole or not at all, and checked file by file when read. For Node; the schema itself is in bundle.ts. */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

import { UserError } from '../text/errors.ts';
import {
  BUNDLE_FILE,
  type Bundle,
  type BundleMember,
  bundleChecksumText,
  checkedFiles,
  parseBundle,
  readVocabularies,
  sha256Hex,
  verifyChecksum,
} from './bundle.ts';
import { PARITY_FILE, type ParityDocument, parseParityFile } from './parityDocuments.ts';

/** The model card's file name. */
export const MODEL_CARD_FILE = 'README.md';

/** The files of a bundle; those of format version 1, which had no directions, too, so that one can be exported again where it stands. */
const BUNDLE_FILES =
  /^(bundle\.json|parity\.json|README\.md|(model|forward|backward)\.onnx|((forward|backward)-)?(vocabulary\.json|weights-\d{2,3}\.bin))$/;

/** One model of a bundle that has been read and checked. */
export interface MemberFiles {
  readonly description: BundleMember;
  /** The tokens in the order of their ids. Members that share the file share the list. */
  readonly vocabulary: readonly string[];
  /** The absolute path of the graph; onnxruntime finds the weights beside it. */
  readonly graphPath: string;
}

/** A bundle that has been read and checked. */
export interface BundleFolder {
  /** The folder's absolute path. */
  readonly folder: string;
  readonly bundle: Bundle;
  /** In the order of the description. */
  readonly members: readonly MemberFiles[];
}

/** What is only known once the files of a bundle exist: its description, for which the graph has run, and its model card. */
export interface BundleContent {
  readonly bundle: Omit<Bundle, 'checksums'>;
  readonly modelCard: string;
  /** Files that are no part of the model, by name; they get checksums too. */
  readonly extraFiles?: ReadonlyMap<string, string>;
}

/**
 * Writes a bundle in one step: into a hidden folder beside the wanted one, which gets its real name last. A crash, a full
 * disk or an error of `describe` leaves what was there before.
 *
 * @param folder where the bundle shall stand; an earlier bundle there is replaced, anything else is left alone.
 * @param files  graphs, shards and vocabularies by name.
 * @param describe gets the folder in which the files already lie, so that it can run the graph as users will, and throws to call it all off.
 * @throws UserError where `folder` holds something that is not a bundle.
 */
export async function writeBundle(
  folder: string,
  files: ReadonlyMap<string, Uint8Array>,
  describe: (staging: string) => Promise<BundleContent>,
): Promise<Bundle> {
  const target = resolve(folder);
  const replaces = await isReplaceable(target);
  await mkdir(dirname(target), { recursive: true });
  const staging = join(dirname(target), `.${basename(target)}.${randomUUID()}.tmp`);
  await mkdir(staging);
  try {
    for (const [name, bytes] of files) await writeDurably(join(staging, name), bytes);
    const { bundle: description, modelCard, extraFiles = new Map<string, string>() } = await describe(staging);
    for (const [name, text] of extraFiles) await writeDurably(join(staging, name), text);
    const bundle = await withChecksums(description, new Map<string, Uint8Array | string>([...files, ...extraFiles]));
    await writeDurably(join(staging, MODEL_CARD_FILE), modelCard);
    await writeDurably(join(staging, BUNDLE_FILE), `${JSON.stringify(bundle, null, 2)}\n`);
    await syncFolder(staging);
    await (replaces ? replaceFolder(staging, target) : rename(staging, target));
    await syncFolder(dirname(target));
    return bundle;
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/**
 * Reads a bundle and checks every file's checksum.
 *
 * @throws UserError that says which file is missing, damaged or of another version.
 * @example
 * const { bundle, members } = await readBundle('bundles/reviews');
 * bundle.labels; // ['neg', 'pos']
 * members.map(({ graphPath, description }) => `${description.direction}: ${graphPath}`); // for whoever runs the graphs himself
 */
export async function readBundle(folder: string): Promise<BundleFolder> {
  const path = resolve(folder);
  try {
    const bundle = parseBundle(await readJson(path, BUNDLE_FILE));
    verifyChecksum(bundle, BUNDLE_FILE, await sha256Hex(bundleChecksumText(bundle)));
    for (const file of checkedFiles(bundle)) {
      if (file !== BUNDLE_FILE) verifyChecksum(bundle, file, await sha256OfFile(join(path, file)));
    }
    const vocabularies = await readVocabularies(bundle, (file) => readJson(path, file));
    const members = vocabularies.map(({ member, vocabulary }) => ({
      description: member,
      vocabulary,
      graphPath: join(path, member.graph),
    }));
    return { folder: path, bundle, members };
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`Bundle ${folder}: ${error.message}`);
    throw error;
  }
}

/**
 * The texts with the trainer's answers that a bundle carries.
 *
 * @throws UserError where it carries none, or others than were written
 * @example
 * const [{ text, answer }] = await readParityDocuments(await readBundle('bundles/reviews'));
 */
export async function readParityDocuments({ folder, bundle }: BundleFolder): Promise<readonly ParityDocument[]> {
  try {
    const text = await readFile(join(folder, PARITY_FILE), 'utf8').catch((error: unknown) => refuseMissing(error, PARITY_FILE));
    verifyChecksum(bundle, PARITY_FILE, await sha256Hex(text));
    return parseParityFile(text);
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`Bundle ${folder}: ${error.message}`);
    throw error;
  }
}

/** True where a bundle stands that may be replaced, false where nothing stands. Anything else is refused. */
async function isReplaceable(target: string): Promise<boolean> {
  const entries = await readdir(target).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return undefined;
    if (hasCode(error, 'ENOTDIR')) throw new UserError(`${target} is a file. Give the name of a folder for the bundle.`);
    throw error;
  });
  if (entries === undefined) return false;
  if (entries.length === 0) return true;
  const strangers = entries.filter((name) => !BUNDLE_FILES.test(name));
  if (entries.includes(BUNDLE_FILE) && strangers.length === 0) return true;
  const why = entries.includes(BUNDLE_FILE) ? `holds ${strangers[0]} besides a bundle` : 'holds files, but no bundle';
  throw new UserError(`${target} ${why}, and writing a bundle there would delete that. Give another folder, or empty this one.`);
}

async function withChecksums(description: Omit<Bundle, 'checksums'>, files: ReadonlyMap<string, Uint8Array | string>): Promise<Bundle> {
  const checksums: Record<string, string> = {};
  for (const [name, bytes] of files) checksums[name] = createHash('sha256').update(bytes).digest('hex');
  const bundle: Bundle = { ...description, checksums };
  const complete = { ...bundle, checksums: { ...checksums, [BUNDLE_FILE]: await sha256Hex(bundleChecksumText(bundle)) } };
  // Whoever gives a wrong description learns it here, not when the bundle is read.
  return parseBundle(complete);
}

async function replaceFolder(staging: string, target: string): Promise<void> {
  const previous = `${staging}.previous`;
  await rename(target, previous);
  try {
    await rename(staging, target);
  } catch (error) {
    await rename(previous, target);
    throw error;
  }
  await rm(previous, { recursive: true, force: true });
}

async function writeDurably(path: string, content: Uint8Array | string): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes renames in a folder survive a power cut. Windows cannot open folders and needs no such call. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function readJson(folder: string, file: string): Promise<unknown> {
  const text = await readFile(join(folder, file), 'utf8').catch((error: unknown) => refuseMissing(error, file));
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(`${file} is not JSON (${(error as SyntaxError).message}). Copy the bundle again or export the model again.`);
  }
}

/** Hashes a file piece by piece, so that no shard has to fit into memory. */
async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  } catch (error) {
    refuseMissing(error, basename(path));
  }
  return hash.digest('hex');
}

function refuseMissing(error: unknown, file: string): never {
  if (!hasCode(error, 'ENOENT') && !hasCode(error, 'ENOTDIR')) throw error;
  throw new UserError(
    file === BUNDLE_FILE
      ? `there is no ${BUNDLE_FILE} in it. Give the folder that \`ulmfit export\` wrote.`
      : `${file} is missing. Copy the bundle again or export the model again.`,
  );
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
