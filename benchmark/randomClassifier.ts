import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TOKENIZER_VERSION } from '../text/tokenizer.ts';
import { writeModel, type HostTensor } from '../trainer/checkpoint/modelFolder.ts';
import { projectFolder } from '../trainer/engine/cache.ts';
import { run, type Command } from '../trainer/engine/tools.ts';
import { classifierShapes } from '../trainer/model/parameters.ts';
import type { ServingTexts } from './servingWork.ts';
import { mulberry32 } from './workload.ts';

const LABELS = ['negative', 'positive'];
const SEED = 3;
/** The range of a fresh embedding: `initializeLanguageModel`. */
const EMBEDDING_RANGE = 0.1;
/** Documents on which a bundle is compared with the trainer. */
const COMPARED = 16;

/** Type of the numbers in a bundle's weights. */
export type BundlePrecision = 'fp32' | 'int8';

/** Writes a classifier of random weights as a model folder: as fast as a trained one. */
export async function writeRandomClassifier(folder: string, { sizes, vocabulary }: ServingTexts, chunkLength: number): Promise<void> {
  const random = mulberry32(SEED);
  const tensors = new Map<string, HostTensor>();
  for (const [name, shape] of classifierShapes(sizes, LABELS.length)) {
    const range = rangeOf(name, shape);
    const size = shape.reduce((product, axis) => product * axis, 1);
    const data = Float32Array.from({ length: size }, () => (typeof range === 'number' ? range : (2 * random() - 1) * range.within));
    tensors.set(name, { shape, data });
  }
  const description = {
    schemaVersion: 1,
    kind: 'classifier',
    tokenizerVersion: TOKENIZER_VERSION,
    direction: 'forward',
    sizes,
    task: 'singleLabel',
    labels: LABELS,
    chunkLength,
    created: new Date().toISOString(),
  } as const;
  await writeModel(folder, { description, tensors, vocabulary }, { card: 'Random weights, to measure speed.\n' });
}

/** Exports it as `ulmfit export` does, comparison with the trainer included. */
export async function exportRandomClassifier(
  model: string,
  out: string,
  { texts }: ServingTexts,
  precision: BundlePrecision,
): Promise<void> {
  const documents = join(model, 'documents.jsonl');
  await writeFile(
    documents,
    texts
      .slice(0, COMPARED)
      .map((text) => `${JSON.stringify({ text })}\n`)
      .join(''),
  );
  // A process of its own, because this one waits for others' turns and should hold no TensorFlow meanwhile.
  const program: Command = [process.execPath, join(projectFolder(), 'trainer', 'bin.mjs')];
  const smaller = precision === 'fp32' ? [] : [`--${precision}`];
  const outcome = await run(program, [
    'export',
    model,
    '--out',
    out,
    '--documents',
    documents,
    '--name',
    `random-${precision}`,
    ...smaller,
  ]);
  if (outcome?.status !== 0) throw new Error(`the ${precision} bundle could not be exported: ${outcome?.stderr.trim()}`);
}

/** One value for all numbers of a tensor, or the range that they are drawn from: as fresh weights have them. */
function rangeOf(name: string, shape: readonly number[]): number | { readonly within: number } {
  if (/\.norm\.(scale|variance)$/.test(name)) return 1;
  if (/\.norm\./.test(name) || /^head.*bias$/.test(name)) return 0;
  if (name === 'embedding.weight') return { within: EMBEDDING_RANGE };
  if (name.startsWith('lstm.')) return { within: 1 / Math.sqrt((shape.at(-1) ?? 0) / 4) };
  return { within: 1 / Math.sqrt(shape[0] ?? 1) };
}
