// oxlint-disable-next-line typescript/triple-slash-reference -- the file declares global names, which no import brings
/// <reference path="./webAssembly.d.ts" />
/**
 * The parity gate of a deployment on the kernel. The kernel gives the same bits on every engine, so what is measured here, on Node, is
 * what the edge answers.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { answerOf, compareAnswers, differencesOf, meanAnswer } from '../../export/answers.ts';
import { outputCount, type ParityFigures } from '../../export/bundle.ts';
import type { BundleFolder } from '../../export/bundleFolder.ts';
import { Classifier } from '../../serve/classifier.ts';
import type { LoadedBundle } from '../../serve/classifierRuntime.ts';
import { loadBundle } from '../../serve/node/runtime.ts';
import { WORKERS_FOLDER } from '../program.ts';
import { KernelRuntime } from '../src/kernelRuntime.ts';
import { KERNEL_BATCH, type KernelDescription, MAX_KERNEL_BYTES } from './description.ts';

/** The largest difference that 8-bit weights may make: of a probability, or of a value relative to its range or itself. */
export const KERNEL_TOLERANCE = 0.05;
/** The share of documents that may get another label. */
const MOST_OTHER_LABELS = 0.005;

/**
 * Asks the kernel and onnxruntime about the same texts.
 *
 * @param assetsFolder where writeKernelAssets has put the weights.
 * @throws Error when the answers differ by more than the tolerance: a failure of the model under 8 bits, not a mistake of its user.
 */
export async function requireKernelParity(
  content: BundleFolder,
  description: KernelDescription,
  assetsFolder: string,
  texts: readonly string[],
): Promise<ParityFigures> {
  const { bundle, folder } = content;
  const answersOf = async (loaded: LoadedBundle): Promise<Float32Array[]> => {
    const classifier = new Classifier(loaded, { maxBatch: KERNEL_BATCH, maxQueue: texts.length });
    try {
      const logits = await classifier.classify(texts);
      return logits.map((members) => meanAnswer(members.map((member) => answerOf(bundle, member))));
    } finally {
      await classifier.dispose();
    }
  };
  const expected = await answersOf(await loadBundle(folder));
  const found = await answersOf(await loadOnKernel(content, description, assetsFolder));
  const figures = compareAnswers(bundle, expected, [found], KERNEL_TOLERANCE);
  const { largest, others } = differencesOf(figures);
  // Every comparison with NaN is false, so this asks for what is good.
  if (largest <= KERNEL_TOLERANCE && others <= MOST_OTHER_LABELS * texts.length) return figures;
  throw new Error(
    `With 8-bit weights the answers differ by up to ${largest.toPrecision(2)} (at most ${KERNEL_TOLERANCE} is accepted), and ` +
      `${others} of ${texts.length} documents get another label (at most ${100 * MOST_OTHER_LABELS} % may). ` +
      'The model does not bear 8 bits: deploy it without --int8.',
  );
}

async function loadOnKernel({ bundle, members }: BundleFolder, description: KernelDescription, folder: string): Promise<LoadedBundle> {
  const module = await loadKernelModule();
  const loaded = members.map(async (member, index) => {
    const packed = description.members[index];
    if (packed === undefined) throw new Error(`${member.description.direction}: there are no packed weights.`);
    const { headHidden, files } = packed;
    const runtime = new KernelRuntime(module, member.description, {
      outputs: outputCount(bundle),
      headHidden,
      maxBatch: KERNEL_BATCH,
      maxBytes: MAX_KERNEL_BYTES,
    });
    let filled = 0;
    for (const { name, bytes } of files) {
      runtime.imagePiece(filled, bytes).set(await readFile(join(folder, name)));
      filled += bytes;
    }
    return { description: member.description, vocabulary: member.vocabulary, runtime };
  });
  return { bundle, members: await Promise.all(loaded) };
}

/** The kernel that this engine can compile. Both give the same bits. */
export async function loadKernelModule(): Promise<WebAssembly.Module> {
  const read = async (name: string) => Uint8Array.from(await readFile(join(WORKERS_FOLDER, 'kernel', `lstm-${name}.wasm`)));
  const relaxed = await read('relaxed');
  return new WebAssembly.Module(WebAssembly.validate(relaxed) ? relaxed : await read('plain'));
}
