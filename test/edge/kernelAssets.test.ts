/** A bundle's weights on their way to the edge: packed for the kernel, compared with onnxruntime before anybody deploys them. */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { readBundle } from '../../export/bundleFolder.ts';
import { KERNEL_FILE, parseKernelDescription } from '../../workers/kernel/description.ts';
import { writeKernelAssets } from '../../workers/kernel/packBundle.ts';
import { requireKernelParity } from '../../workers/kernel/parity.ts';
import { prepareAssets } from '../../workers/prepare.ts';
import { writeTinyBundle } from '../fixtures/tinyClassifier.ts';
import { temporaryFolder } from '../temporaryFolder.ts';

const TEXTS = ['good', 'The film was not very good!', 'the worst plot . '.repeat(60), 'I love this story, but not the actor.'];

test.each([
  ['one model', {}],
  ['a pair', { backward: { hidden: 20, chunkLength: 50 } }],
  ['a regression', { task: 'regression', range: [10, 20] }],
  ['weights in many small files', { maxShardBytes: 5_000 }],
  ['a bundle with 16-bit weights', { precision: 'fp16', maxShardBytes: 5_000 }],
  ['a bundle with 8-bit weights', { precision: 'int8', backward: {} }],
] as const)('the kernel answers as onnxruntime does, and the assets say how closely: %s', async (_what, options) => {
  const folder = await temporaryFolder({});
  await writeTinyBundle(join(folder, 'bundle'), options);
  await prepareAssets(join(folder, 'bundle'), join(folder, 'assets'), { int8: true, texts: TEXTS });
  const { parity, members } = parseKernelDescription(JSON.parse(await readFile(join(folder, 'assets', KERNEL_FILE), 'utf8')));
  expect(parity?.['documents']).toBe(TEXTS.length);
  const largest = parity?.['maxProbabilityDifference'] ?? parity?.['maxRelativeDifference'] ?? NaN;
  // 8 bits are not 32: a difference of nothing would mean that the model was compared with itself.
  expect(largest).toBeGreaterThan(1e-6);
  expect(largest).toBeLessThan(0.05);
  for (const { name, bytes } of members.flatMap(({ files }) => files)) expect((await stat(join(folder, 'assets', name))).size).toBe(bytes);
  await expect(stat(join(folder, 'assets', 'forward.onnx'))).rejects.toThrow('ENOENT');
});

test('weights that answer otherwise are refused', async () => {
  const folder = await temporaryFolder({});
  await writeTinyBundle(join(folder, 'bundle'));
  const content = await readBundle(join(folder, 'bundle'));
  const description = await writeKernelAssets(content, folder);
  await expect(requireKernelParity(content, description, folder, TEXTS)).resolves.toMatchObject({ documents: TEXTS.length });
  const piece = join(folder, 'forward-kernel-00.bin');
  await writeFile(piece, (await readFile(piece)).fill(3, 0, 20_000));
  await expect(requireKernelParity(content, description, folder, TEXTS)).rejects.toThrow(
    /With 8-bit weights the answers differ by up to 0\.\d+/,
  );
});

test('a bundle that needs more memory than the kernel may take is refused before anything is deployed', async () => {
  const folder = await temporaryFolder({});
  await writeTinyBundle(join(folder, 'bundle'));
  const content = await readBundle(join(folder, 'bundle'));
  await expect(writeKernelAssets(content, folder, [], 2 ** 16)).rejects.toThrow(/needs 0\.\d MiB of memory; at the edge it may have 0\.1/);
  await expect(writeKernelAssets(content, folder, [], 2 ** 20)).resolves.toMatchObject({ formatVersion: 1 });
});
