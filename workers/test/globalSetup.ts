/** Runs on Node before the tests in workerd: writes small bundles, prepares them as assets, and asks them the tests' texts. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

import { BUNDLE_FILE, bundleChecksumText, type BundleMember, parseBundle, sha256Hex } from '../../export/bundle.ts';
import { answerOf } from '../../serve/answers.ts';
import { Classifier } from '../../serve/classifier.ts';
import { loadBundle } from '../../serve/node/runtime.ts';
import type { Answer } from '../../serve/schema.ts';
import { type TinyBundleOptions, writeTinyBundle } from '../../test/fixtures/tinyClassifier.ts';
import { KERNEL_FILE, parseKernelDescription } from '../kernel/description.ts';
import { writeOnnxRuntimeModule } from '../onnxRuntimeModule.ts';
import { prepareAssets } from '../prepare.ts';
import { type BundleName, TEXTS } from './texts.ts';

/** The Worker under test serves `usual`. The others lie in folders of its assets, where their own tests find them. */
const BUNDLES: Readonly<Record<BundleName, TinyBundleOptions>> = {
  // Small shards, so that the Worker has several to load.
  usual: { seed: 8, maxShardBytes: 20_000 },
  pair: { maxShardBytes: 20_000, temperature: 1.5, backward: { hidden: 20, chunkLength: 50 } },
  labels: { task: 'multiLabel', classes: 4, temperature: 0.8, backward: { otherWords: false } },
  number: { task: 'regression' },
  bounded: { task: 'regression', range: [10, 20], backward: {} },
  // The export's own 8 bits, for onnxruntime.
  eightBits: { precision: 'int8', backward: {} },
};

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'ulmfit-edge-'));
  const assetsFolder = join(folder, 'assets');
  const nodeAnswers: Partial<Record<BundleName, readonly Answer[]>> = {};
  for (const [name, options] of Object.entries(BUNDLES) as [BundleName, TinyBundleOptions][]) {
    const bundleFolder = join(folder, name);
    const { bundle } = await writeTinyBundle(bundleFolder, { ...options, name });
    if (options.maxShardBytes !== undefined && bundle.members.some(({ shards }) => shards.length < 2))
      throw new Error(`The bundle "${name}" should have several shards of each model.`);
    // The first one empties the folder, which the others are put into.
    // Of some the model is given away.
    await prepareAssets(bundleFolder, name === 'usual' ? assetsFolder : join(assetsFolder, name), { downloadable: name === 'pair' });
    if (options.precision === 'int8') {
      // What 8 bits should come close to: the same weights in float32.
      const exact = join(folder, `${name}-fp32`);
      await writeTinyBundle(exact, { ...options, precision: 'fp32' });
      nodeAnswers[name] = await answersOnNode(exact);
    } else nodeAnswers[name] = await answersOnNode(bundleFolder);
  }
  for (const name of ['usual', 'pair'] as const)
    await prepareAssets(join(folder, name), join(assetsFolder, `int8-${name}`), { int8: true, downloadable: name === 'pair' });
  await prepareTooLarge(join(folder, 'usual'), join(assetsFolder, 'int8-large'));
  await prepareLongChunks(join(folder, 'usual'), join(assetsFolder, 'long-chunks'));
  await writeOnnxRuntimeModule();
  project.provide('assetsFolder', assetsFolder);
  project.provide('nodeAnswers', nodeAnswers as Record<BundleName, readonly Answer[]>);
  return () => rm(folder, { recursive: true });
}

async function answersOnNode(bundleFolder: string): Promise<Answer[]> {
  const classifier = new Classifier(await loadBundle(bundleFolder, { threads: 1 }), { maxBatch: 1, maxQueue: TEXTS.length });
  const logits = await classifier.classify(TEXTS);
  await classifier.dispose();
  return logits.map((members) => answerOf(classifier.bundle, members));
}

/** A deployment whose description asks for more memory than the kernel may have; only its checksums are right. */
async function prepareTooLarge(bundleFolder: string, assetsFolder: string): Promise<void> {
  await prepareAssets(bundleFolder, assetsFolder, { int8: true });
  const checksum = await describeOtherwise(assetsFolder, (member) => ({ ...member, sizes: { ...member.sizes, hidden: 6000 } }));
  const kernel = { ...parseKernelDescription(await readJson(assetsFolder, KERNEL_FILE)), bundle: checksum };
  await writeFile(join(assetsFolder, KERNEL_FILE), JSON.stringify(kernel));
}

/** A deployment whose chunks are so long that eight of them at a time need more memory than onnxruntime-web may have. */
async function prepareLongChunks(bundleFolder: string, assetsFolder: string): Promise<void> {
  await prepareAssets(bundleFolder, assetsFolder);
  await describeOtherwise(assetsFolder, (member) => ({ ...member, chunkLength: 20_000 }));
}

/** Changes what a deployment's bundle says of its models. @returns the checksum of its description */
async function describeOtherwise(assetsFolder: string, change: (member: BundleMember) => BundleMember): Promise<string> {
  const bundle = parseBundle(await readJson(assetsFolder, BUNDLE_FILE));
  const changed = { ...bundle, members: bundle.members.map(change) };
  const checksum = await sha256Hex(bundleChecksumText(changed));
  // bundle.json is a link to the bundle's own: it is replaced, not written to.
  await rm(join(assetsFolder, BUNDLE_FILE));
  const checksums = { ...changed.checksums, [BUNDLE_FILE]: checksum };
  await writeFile(join(assetsFolder, BUNDLE_FILE), JSON.stringify({ ...changed, checksums }));
  return checksum;
}

const readJson = async (folder: string, file: string): Promise<unknown> => JSON.parse(await readFile(join(folder, file), 'utf8'));
