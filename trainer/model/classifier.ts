import { tf, tidy, type Scalar, type Tensor } from '../engine/operations.ts';
import type { DropoutMasks, Parameters } from './awdLstm.ts';
import { freshReading, readPassages, type Reading } from './documentEncoder.ts';
import { head, type HeadTraining } from './head.ts';
import { objective, type Objective, type Targets } from './objective.ts';
import { concatPooled } from './pooling.ts';
import type { Sizes } from './presets.ts';

/** How documents are cut and how far back gradients reach. */
export interface DocumentOptions {
  /** Tokens in a chunk (`bptt`). */
  readonly chunkLength: number;
  /** Only chunks that overlap the last `window` tokens of their document carry a gradient (fastai's `max_len`, 1,440). */
  readonly window: number;
}

/** First token of a document from which on chunks carry a gradient: a multiple of the chunk length. */
function windowStart(length: number, { chunkLength, window }: DocumentOptions): number {
  return Math.max(0, Math.floor((length - window) / chunkLength)) * chunkLength;
}

/**
 * Reads what lies before the gradient window of each document: nothing of it is remembered but the reading itself.
 * Call it outside of the gradient, so that memory does not grow with the documents.
 *
 * @returns kept tensors, of which the caller disposes
 */
export function readBeforeWindow(
  sizes: Sizes,
  parameters: Parameters,
  documents: readonly Int32Array[],
  options: DocumentOptions,
  masks: DropoutMasks,
): Reading {
  const ends = documents.map((ids) => windowStart(ids.length, options));
  return readBeginnings(sizes, parameters, documents, ends, options.chunkLength, masks);
}

/** Reads each document from its first token to its `end`. A chunk's tensors are freed before the next, so memory does not grow with length. */
function readBeginnings(
  sizes: Sizes,
  parameters: Parameters,
  documents: readonly Int32Array[],
  ends: readonly number[],
  chunkLength: number,
  masks: DropoutMasks = {},
): Reading {
  const furthest = Math.max(...ends);
  let reading = freshReading(sizes, documents.length);
  for (let start = 0; start < furthest; start += chunkLength) {
    const next = tidy(() => {
      const passages = documents.map((ids, row) => {
        const end = ends[row] ?? 0;
        return { ids, start: Math.min(start, end), end: Math.min(start + chunkLength, end) };
      });
      return readPassages(parameters, passages, chunkLength, reading, masks);
    });
    disposeReading(reading);
    reading = next;
  }
  return reading;
}

/** What a classifier's training step needs besides the parameters. */
export interface ClassifierBatch {
  readonly documents: readonly Int32Array[];
  /** What each document should be answered with. */
  readonly targets: Targets;
  /** Default: one label, all of the same weight. */
  readonly objective?: Objective | undefined;
}

/**
 * The training loss of a batch of documents (see {@link objective}). Differentiable in every trainable parameter.
 *
 * @param before what {@link readBeforeWindow} gave
 */
export function classifierLoss(
  parameters: Parameters,
  batch: ClassifierBatch,
  before: Reading,
  options: DocumentOptions,
  masks: DropoutMasks,
  training: HeadTraining,
): { loss: Scalar; logits: Tensor; statistics: Map<string, Tensor> } {
  const passages = batch.documents.map((ids) => ({ ids, start: windowStart(ids.length, options), end: ids.length }));
  const { pooled } = readPassages(parameters, passages, options.chunkLength, before, masks);
  const features = concatPooled(
    pooled,
    batch.documents.map((ids) => ids.length),
  );
  const { logits, statistics } = head(parameters, features, training);
  return { loss: objective(batch.objective ?? { task: 'singleLabel' }, logits, batch.targets), logits, statistics };
}

/**
 * Logits of whole documents, without dropout. Memory does not grow with their length.
 *
 * @returns `[batch, classes]`, rows in the order given
 */
export function classifierLogits(
  sizes: Sizes,
  parameters: Parameters,
  documents: readonly Int32Array[],
  { chunkLength }: Pick<DocumentOptions, 'chunkLength'>,
): Tensor {
  const lengths = documents.map((ids) => ids.length);
  const reading = readBeginnings(sizes, parameters, documents, lengths, chunkLength);
  const logits = tf.tidy(() => head(parameters, concatPooled(reading.pooled, lengths)).logits);
  disposeReading(reading);
  return logits;
}

/** Frees a reading. */
export function disposeReading({ state, pooled }: Reading): void {
  tf.dispose([...state.flatMap(({ hidden, cell }) => [hidden, cell]), pooled.last, pooled.maximum, pooled.sum]);
}
