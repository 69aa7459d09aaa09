/** Builds a Worker with its model in a folder of its own, and measures it. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { writeOnnxRuntimeModule } from '../onnxRuntimeModule.ts';
import { prepareAssets } from '../prepare.ts';
import type { Measured } from './limits.ts';
import { ONNXRUNTIME_FOLDER, workerConfig, type WorkerFeatures } from './workerConfig.ts';
import { reasonOf, type Wrangler } from './wrangler.ts';

/** What is uploaded of a built Worker; source maps and notes are not. */
const CODE = /\.(?:js|mjs|wasm)$/;

/** How often the start is profiled before that counts as failed. */
const PROFILE_ATTEMPTS = 4;

/** Where a deployment's configuration lies. */
export const configPath = (folder: string) => join(folder, 'wrangler.json');

/**
 * Writes the model's files and the configuration, from which wrangler builds, serves and uploads.
 *
 * @param texts that 8-bit weights must answer as the bundle does, before anything is built
 * @param downloadable whether whoever may ask may also have the model
 */
export async function prepareFolder(
  bundle: string,
  features: WorkerFeatures,
  folder: string,
  { texts = [], downloadable = false }: { readonly texts?: readonly string[]; readonly downloadable?: boolean } = {},
): Promise<void> {
  await prepareAssets(bundle, join(folder, 'assets'), { downloadable, ...(features.int8 && { int8: true, texts }) });
  if (!features.int8) await writeOnnxRuntimeModule(join(folder, ONNXRUNTIME_FOLDER));
  await writeFile(configPath(folder), `${JSON.stringify(workerConfig(features, folder), null, 2)}\n`);
}

/**
 * Builds as for an upload, and measures what would be uploaded and how long the Worker takes to start.
 *
 * @throws Error with what wrangler said when it cannot be built
 */
export async function measureBuild(wrangler: Wrangler, folder: string): Promise<Measured> {
  const built = join(folder, 'built');
  // What an upload would send, as one file: of which the start is profiled.
  const upload = join(folder, 'upload');
  const build = ['deploy', '--dry-run', '--config', configPath(folder), '--outdir', built, '--outfile', upload];
  await wrangler.must('build the Worker', build);
  const code = (await filesOf(built)).filter(({ name }) => CODE.test(name));
  let codeGzipBytes = 0;
  for (const { name } of code) codeGzipBytes += gzipSync(await readFile(join(built, name))).length;
  return {
    codeBytes: code.reduce((sum, { bytes }) => sum + bytes, 0),
    codeGzipBytes,
    assets: await filesOf(join(folder, 'assets')),
    startupMilliseconds: await startupMilliseconds(wrangler, folder, upload),
  };
}

async function startupMilliseconds(wrangler: Wrangler, folder: string, upload: string): Promise<number> {
  const profile = join(folder, 'start-up.cpuprofile');
  const args = ['check', 'startup', '--worker', upload, '--outfile', profile];
  // wrangler gives up after 10 s, which a busy machine can need.
  for (let attempt = 1; attempt < PROFILE_ATTEMPTS; attempt++) {
    const run = await wrangler.run(args);
    if (run.code === 0) return activeMilliseconds(JSON.parse(await readFile(profile, 'utf8')) as CpuProfile);
    if (!/timed out/.test(reasonOf(run))) break;
  }
  await wrangler.must('profile the start of the Worker', args);
  return activeMilliseconds(JSON.parse(await readFile(profile, 'utf8')) as CpuProfile);
}

/** The parts of V8's profile that are read: which function was at work at each sample, and the microseconds since the one before. */
export interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: { readonly functionName: string } }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** The time in a profile when something was at work. */
export function activeMilliseconds({ nodes, samples, timeDeltas }: CpuProfile): number {
  const idle = new Set(nodes.filter(({ callFrame }) => callFrame.functionName === '(idle)').map(({ id }) => id));
  return timeDeltas.reduce((sum, delta, index) => sum + (idle.has(samples[index] ?? Number.NaN) ? 0 : Math.max(0, delta)), 0) / 1000;
}

async function filesOf(folder: string): Promise<{ readonly name: string; readonly bytes: number }[]> {
  const names = await readdir(folder);
  return Promise.all(names.toSorted().map(async (name) => ({ name, bytes: (await stat(join(folder, name))).size })));
}
