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

test('a model that no isolate could hold is refused before anything is deployed', async () => {
  const folder = await temporaryFolder({});
  await writeTinyBundle(join(folder, 'bundle'));
  const content = await readBundle(join(folder, 'bundle'));
  const [member] = content.members;
  if (member === undefined) throw new Error('A bundle has a member.');
  const many = { ...content, members: Array.from({ length: 700 }, () => member) };
  await expect(writeKernelAssets(many, folder)).rejects.toThrow(/needs 80\.\d MiB of memory; at the edge it may have 80\.0/);
});
