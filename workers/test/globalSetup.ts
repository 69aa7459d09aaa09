/** Runs on Node before the tests in workerd: writes a small bundle, prepares it as assets, and asks it the tests' texts. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

import { Classifier } from '../../serve/classifier.ts';
import { loadBundle } from '../../serve/node/runtime.ts';
import { writeTinyBundle } from '../../test/fixtures/tinyClassifier.ts';
import { prepareAssets } from '../prepare.ts';
import { TEXTS } from './texts.ts';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'ulmfit-edge-'));
  const bundleFolder = join(folder, 'bundle');
  const assetsFolder = join(folder, 'assets');
  // Small shards, so that the Worker has several to load.
  const { bundle } = await writeTinyBundle(bundleFolder, { seed: 8, maxShardBytes: 20_000 });
  if (bundle.shards.length < 2) throw new Error('The test bundle should have several shards.');
  await prepareAssets(bundleFolder, assetsFolder);

  const { runtime, vocabulary } = await loadBundle(bundleFolder, { threads: 1 });
  const classifier = new Classifier(runtime, vocabulary, { maxBatch: 1, maxQueue: TEXTS.length });
  const logits = await classifier.classify(TEXTS);
  await classifier.dispose();

  project.provide('assetsFolder', assetsFolder);
  project.provide('labels', bundle.labels);
  project.provide(
    'nodeLogits',
    logits.map((row) => [...row]),
  );
  return () => rm(folder, { recursive: true });
}
