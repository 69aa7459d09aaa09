/**
 * Puts a bundle where the Worker finds it: `node workers/prepare.ts [--int8] [--documents <file>] [--downloadable] <bundle> [<assets folder>]`.
 * The files become the Worker's static assets, which wrangler uploads together with the code.
 */
import { copyFile, link, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

import { checkedFiles, sha256Hex, type Bundle, type Precision } from '../export/bundle.ts';
import { readBundle } from '../export/bundleFolder.ts';
import { readPlaygroundFile, requireLocalFiles } from '../serve/node/playgroundFiles.ts';
import type { ModelFile } from '../serve/modelFiles.ts';
import { LOCAL_FILES, PLAYGROUND_FILES, type PlaygroundFile } from '../serve/routes/playground.ts';
import { UserError } from '../text/errors.ts';
import { mebibytes } from './deploy/limits.ts';
import { KERNEL_FILE, parseKernelDescription } from './kernel/description.ts';
import { writeKernelAssets } from './kernel/packBundle.ts';
import { WORKERS_FOLDER } from './program.ts';
import { DOWNLOADS_FILE, PLAYGROUND_ASSETS } from './src/names.ts';

const MEBIBYTE = 1024 * 1024;
/** The platform's limit for one static asset. */
const MAX_ASSET_BYTES = 25 * MEBIBYTE;
/**
 * An isolate has 128 MB. While the model is loaded the weights are there twice, as they came and in onnxruntime's memory, which has to hold them as it
 * computes with them besides. Measured of three layers: 42.4 MiB of float32 are loaded into 75.9 MiB, 43.4 MiB of 8 bits into 56.
 */
const MAX_MODEL_BYTES: Readonly<Record<Precision, number>> = { fp32: 40 * MEBIBYTE, fp16: 40 * MEBIBYTE, int8: 48 * MEBIBYTE };

/** Options of wrangler that leave onnxruntime-web out of the Worker: 14 MiB that a deployment for the kernel has no use for. */
export const WITHOUT_ONNXRUNTIME: readonly string[] = ['--define', 'WITH_ONNXRUNTIME:false'];

/** Where wrangler.jsonc looks for the assets. */
export const ASSETS_FOLDER = join(WORKERS_FOLDER, 'dist', 'assets');

export interface PrepareOptions {
  /** Packs the weights as 8-bit integers for the kernel of our own, in place of the graph for onnxruntime-web. */
  readonly int8?: boolean;
  /** With `int8`: texts that the kernel must answer as onnxruntime does, within its tolerance. */
  readonly texts?: readonly string[];
  /** Whoever may ask the Worker may also have the model: as files, and to run it in the playground's browser. */
  readonly downloadable?: boolean;
}

/**
 * Checks a bundle and links its files (copies them where the file system cannot link) into the assets folder, which is
 * emptied first. The model card stays behind: the Worker has no use for it.
 *
 * @throws UserError when the folder is no bundle, a file is damaged, or the model is too large for an isolate.
 */
export async function prepareAssets(
  bundleFolder: string,
  assetsFolder: string = ASSETS_FOLDER,
  { int8 = false, texts, downloadable = false }: PrepareOptions = {},
): Promise<void> {
  if (downloadable) await requireLocalFiles();
  const content = await readBundle(bundleFolder);
  const { bundle, folder } = content;
  const models = new Set(bundle.members.flatMap(({ graph, shards }) => [graph, ...shards]));
  const files = checkedFiles(bundle).filter((file) => !int8 || !models.has(file));
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(folder, file))).size));
  requireFit(files, sizes, bundle);
  await rm(assetsFolder, { recursive: true, force: true });
  await mkdir(assetsFolder, { recursive: true });
  for (const file of files) await linkOrCopy(join(folder, file), join(assetsFolder, file));
  await mkdir(join(assetsFolder, PLAYGROUND_ASSETS));
  for (const file of playgroundFiles(downloadable, int8)) {
    await writeFile(join(assetsFolder, PLAYGROUND_ASSETS, file), await readPlaygroundFile(file));
  }
  const packed = int8 ? (await writeKernelAssets(content, assetsFolder, texts)).members.flatMap((member) => member.files) : [];
  if (downloadable) {
    const names = [...files, ...(int8 ? [KERNEL_FILE, ...packed.map(({ name }) => name)] : [])];
    const list = await Promise.all(names.map((name) => describe(assetsFolder, name)));
    await writeFile(join(assetsFolder, DOWNLOADS_FILE), JSON.stringify({ files: list }));
  }
}

/** The page, and what a browser runs the model with: on the kernel without onnxruntime. */
function playgroundFiles(downloadable: boolean, int8: boolean): PlaygroundFile[] {
  const page = Object.keys(PLAYGROUND_FILES) as PlaygroundFile[];
  const local = Object.keys(LOCAL_FILES) as PlaygroundFile[];
  return downloadable ? [...page, ...local.filter((file) => !int8 || file === 'localWorker.js')] : page;
}

async function describe(folder: string, name: string): Promise<ModelFile> {
  const bytes = await readFile(join(folder, name));
  return { name, bytes: bytes.length, sha256: await sha256Hex(bytes) };
}

function requireFit(files: readonly string[], sizes: readonly number[], { precision, members }: Bundle): void {
  for (const [index, file] of files.entries()) {
    const size = sizes[index] ?? 0;
    if (size > MAX_ASSET_BYTES)
      throw new UserError(
        `${file} has ${mebibytes(size)} MiB; a static asset may have ${MAX_ASSET_BYTES / MEBIBYTE}. Export the model again.`,
      );
  }
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const most = MAX_MODEL_BYTES[precision];
  if (total > most) {
    throw new UserError(
      `The bundle has ${mebibytes(total)} MiB; at the edge, where an isolate has 128 MB of memory for everything, a model may have ` +
        `${most / MEBIBYTE} MiB. Deploy it with 8-bit weights (--int8), train a smaller one (--preset small)${members.length > 1 ? ', export one of its two directions' : ''}, or serve this one with \`ulmfit serve\`.`,
    );
  }
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch {
    // Another device, or a file system without links.
    await copyFile(from, to);
  }
}

const USAGE = 'Usage: node workers/prepare.ts [--int8 [--documents <JSON Lines with "text">]] [--downloadable] <bundle> [<assets folder>]';

async function main(): Promise<void> {
  const options = {
    int8: { type: 'boolean', default: false },
    documents: { type: 'string' },
    downloadable: { type: 'boolean', default: false },
  } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [bundleFolder, assetsFolder] = positionals;
  if (bundleFolder === undefined || (values.documents !== undefined && !values.int8)) throw new UserError(USAGE);
  const target = resolve(assetsFolder ?? ASSETS_FOLDER);
  const texts = values.documents === undefined ? [] : await readTexts(values.documents);
  await prepareAssets(bundleFolder, target, { int8: values.int8, texts, downloadable: values.downloadable });
  if (texts.length > 0) {
    const { parity } = parseKernelDescription(JSON.parse(await readFile(join(target, KERNEL_FILE), 'utf8')));
    console.log(`compared with onnxruntime: ${JSON.stringify(parity)}`);
  }
  console.log(`prepared ${target}`);
}

async function readTexts(path: string): Promise<string[]> {
  const content = await readFile(path, 'utf8').catch((error: Error) => {
    throw new UserError(`The documents ${path} cannot be read: ${error.message}.`);
  });
  return content.split('\n').flatMap((line, index) => (line.trim() === '' ? [] : textOf(line, `${path}, line ${index + 1}`)));
}

function textOf(line: string, place: string): string {
  let document: unknown;
  try {
    document = JSON.parse(line);
  } catch (error) {
    throw new UserError(`${place}: this is not JSON (${(error as Error).message}). Give one JSON object a line, with an entry "text".`);
  }
  if (typeof document === 'object' && document !== null && 'text' in document && typeof document.text === 'string') return document.text;
  throw new UserError(`${place}: there is no entry "text" with a text. Give one JSON object a line, with an entry "text".`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main().catch((error: unknown) => {
    console.error(error instanceof UserError ? error.message : error);
    process.exitCode = error instanceof UserError ? 2 : 1;
  });
}
