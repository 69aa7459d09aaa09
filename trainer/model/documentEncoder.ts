import { hasFusedOps, tf, type Tensor, type Tensor1D } from '../engine/operations.ts';
import { Packing } from '../engine/packing.ts';
import { PADDING_ID } from '../../text/vocabulary.ts';
import { awdLstm, packed, type DropoutMasks, type EncoderState, type Parameters } from './awdLstm.ts';
import { emptyPooledValues, poolChunk, poolPacked, type PooledValues } from './pooling.ts';
import { layerWidth, type Sizes } from './presets.ts';

/** Where the reading of some documents stands: one row a document, nothing kept. */
export interface Reading {
  readonly state: EncoderState;
  readonly pooled: PooledValues;
}

/** A piece of a document: tokens from `start` to `end` (exclusive). */
export interface Passage {
  readonly ids: Int32Array;
  readonly start: number;
  readonly end: number;
}

/** A reading in which nothing has been read. */
export function freshReading(sizes: Sizes, batch: number): Reading {
  const state = Array.from({ length: sizes.layers }, (_, layer) => {
    const shape: [number, number] = [batch, layerWidth(sizes, layer)];
    return { hidden: tf.zeros(shape), cell: tf.zeros(shape) };
  });
  return { state, pooled: emptyPooledValues(batch, sizes.embedding) };
}

/**
 * Reads passages chunk by chunk, carrying the hidden state (BPT3C; Howard & Ruder 2018, section 3.3). The state that a chunk hands
 * to the next is a constant to the gradient; each chunk's own outputs reach the loss through the pooled values.
 *
 * A short document costs nothing while a long one goes on. The reading that was there before is a constant to the gradient.
 *
 * @param passages in any order; an empty one leaves its row as it was
 * @returns the reading after the passages, rows in the order given
 */
export function readPassages(
  parameters: Parameters,
  passages: readonly Passage[],
  chunkLength: number,
  before: Reading,
  masks: DropoutMasks = {},
): Reading {
  const lengths = passages.map(({ start, end }) => end - start);
  const order = [...lengths.keys()].toSorted((a, b) => (lengths[b] ?? 0) - (lengths[a] ?? 0));
  const sorted = order.map((row) => passages[row] as Passage);
  const read = hasFusedOps ? readPacked : readChunks;
  return pickRows(read(parameters, sorted, chunkLength, pickRows(before, order), masksOf(masks, order)), inverse(order));
}

/** {@link readPassages} of passages sorted by length, the longest first. */
type Reader = (
  ...args: [parameters: Parameters, passages: readonly Passage[], chunkLength: number, before: Reading, masks: DropoutMasks]
) => Reading;

/** All tokens at once, without padding, on our own ops. */
const readPacked: Reader = (parameters, passages, chunkLength, before, masks) => {
  const packing = new Packing(passages.map(({ start, end }) => end - start));
  if (packing.tokens === 0) return before;
  const ids = packing.pack((row, t) => {
    const { ids: document, start } = passages[row] as Passage;
    return document[start + t] ?? PADDING_ID;
  });
  const { raw, state } = awdLstm(parameters, tf.tensor1d(ids, 'int32'), before.state, masks, packed(packing, chunkLength));
  return { state: unkept(state), pooled: poolPacked(before.pooled, raw, packing) };
};

/**
 * Chunk by chunk, in TensorFlow's operations. Rows that have ended leave the batch. Padding only ever stands at the end of a row's last
 * chunk, after everything that counts.
 */
const readChunks: Reader = (parameters, sorted, chunkLength, before, masks) => {
  const finished: Reading[] = [];
  let current = before;
  let rows = sorted.length;
  for (let offset = 0; rows > 0; offset += chunkLength) {
    const active = sorted.findIndex(({ start, end }) => end - start <= offset);
    const left = active === -1 ? sorted.length : active;
    if (left < rows) {
      finished.unshift(sliceRows(current, left, rows));
      current = sliceRows(current, 0, left);
      rows = left;
    }
    if (rows > 0)
      current = readChunk(parameters, sorted.slice(0, rows), offset, chunkLength, current, masksOf(masks, [...Array(rows).keys()]));
  }
  return joinRows(finished);
};

function readChunk(
  parameters: Parameters,
  passages: readonly Passage[],
  offset: number,
  chunkLength: number,
  before: Reading,
  masks: DropoutMasks,
): Reading {
  const lengths = passages.map(({ start, end }) => Math.min(chunkLength, end - start - offset));
  const time = Math.max(...lengths);
  const batch = passages.length;
  const ids = new Int32Array(time * batch).fill(PADDING_ID);
  for (const [row, passage] of passages.entries()) {
    const from = passage.start + offset;
    for (let t = 0; t < (lengths[row] ?? 0); t++) ids[t * batch + row] = passage.ids[from + t] ?? PADDING_ID;
  }
  const encoded = awdLstm(parameters, tf.tensor2d(ids, [time, batch], 'int32'), before.state, masks);
  return { state: unkept(encoded.state), pooled: poolChunk(before.pooled, encoded.raw, lengths) };
}

/** Hands kept tensors over to the tidy around. */
function unkept(state: EncoderState): EncoderState {
  const release = (tensor: Tensor): Tensor => {
    const copy = tf.clone(tensor);
    tensor.dispose();
    return copy;
  };
  return state.map(({ hidden, cell }) => ({ hidden: release(hidden), cell: release(cell) }));
}

function mapRows(reading: Reading, change: (tensor: Tensor) => Tensor): Reading {
  const { last, maximum, sum } = reading.pooled;
  return {
    state: reading.state.map(({ hidden, cell }) => ({ hidden: change(hidden), cell: change(cell) })),
    pooled: { last: change(last), maximum: change(maximum), sum: change(sum) },
  };
}

function sliceRows(reading: Reading, from: number, to: number): Reading {
  return mapRows(reading, (tensor) => tf.slice(tensor, [from, 0], [to - from, tensor.shape[1] ?? 0]));
}

/** The rows with the given numbers, in the given order. */
export function pickRows(reading: Reading, rows: readonly number[]): Reading {
  if (rows.every((row, index) => row === index)) return reading;
  const indices = tf.tensor1d([...rows], 'int32');
  return mapRows(reading, (tensor) => tf.gather(tensor, indices as Tensor1D));
}

function joinRows(parts: readonly Reading[]): Reading {
  const [first] = parts;
  if (first === undefined) throw new Error('joinRows: no documents');
  const join = (pick: (part: Reading) => Tensor): Tensor => tf.concat(parts.map(pick), 0);
  return {
    state: first.state.map((_, layer) => ({
      hidden: join((part) => part.state[layer]?.hidden as Tensor),
      cell: join((part) => part.state[layer]?.cell as Tensor),
    })),
    pooled: { last: join((part) => part.pooled.last), maximum: join((part) => part.pooled.maximum), sum: join((part) => part.pooled.sum) },
  };
}

function inverse(order: readonly number[]): number[] {
  const result = new Array<number>(order.length);
  for (const [position, row] of order.entries()) result[row] = position;
  return result;
}

/** The locked masks of some rows of the batch: a document keeps its mask from its first chunk to its last. */
function masksOf(masks: DropoutMasks, rows: readonly number[]): DropoutMasks {
  const indices = tf.tensor1d([...rows], 'int32');
  const pick = (mask: Tensor): Tensor => tf.gather(mask, indices as Tensor1D, 1);
  return {
    ...masks,
    ...(masks.input !== undefined && { input: pick(masks.input) }),
    ...(masks.hidden !== undefined && { hidden: masks.hidden.map(pick) }),
    ...(masks.output !== undefined && { output: pick(masks.output) }),
  };
}
