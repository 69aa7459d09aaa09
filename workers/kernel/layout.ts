import { layerSizes, type ModelSizes } from '../../export/bundle.ts';

/** Everything that decides where a classifier's numbers lie in the kernel's memory. */
export interface KernelSizes extends ModelSizes {
  /** Units of the head's hidden layer. */
  readonly headHidden: number;
  /** Logits of a document. */
  readonly outputs: number;
}

/** The weights that rows of 7-bit integers are multiplied with, see assembly/lstm.ts. Byte offsets. */
export interface MatrixPlace {
  /** [panels, width / 4, 64] int8 */
  readonly weights: number;
  /** [panels, 16] float32 */
  readonly scales: number;
  /** [panels, 16] int32 */
  readonly offsets: number;
}

/** One LSTM layer. Widths are padded to a multiple of 16. */
export interface LayerPlace {
  readonly inputWidth: number;
  readonly units: number;
  readonly input: MatrixPlace;
  readonly recurrent: MatrixPlace;
  /** [panels, 16] float32 */
  readonly biases: number;
}

/** Where the weights lie, in bytes from the beginning of their image. All of it follows from the sizes. */
export interface WeightLayout {
  /** Width of a token's vector, padded. */
  readonly embeddingWidth: number;
  /** [vocabulary, embeddingWidth] 7-bit integers */
  readonly embedding: number;
  /** [vocabulary] float32 */
  readonly embeddingScales: number;
  readonly layers: readonly LayerPlace[];
  /** Both blocks of the head, float32: mean [in], weight [in, out], bias [out]. */
  readonly head: readonly [hidden: HeadPlace, output: HeadPlace];
  readonly bytes: number;
}

export interface HeadPlace {
  readonly inputs: number;
  readonly outputs: number;
  readonly mean: number;
  readonly weight: number;
  readonly bias: number;
}

/** Working memory for a batch, in bytes from the beginning of memory. */
export interface WorkLayout {
  /** Token rows that the layers read at a time. */
  readonly blockRows: number;
  /** Two buffers of [blockRows, widest] 7-bit integers, which the layers read and write in turns, and their scales [blockRows]. */
  readonly sequences: readonly [SequencePlace, SequencePlace];
  /** [batch, widest] 7-bit integers: a layer's hidden state before a block. */
  readonly start: SequencePlace;
  /** [blockRows, 4 · widest units] float32 */
  readonly gates: number;
  /** A layer's [batch, units] float32. */
  readonly states: readonly { readonly hidden: number; readonly cell: number }[];
  /** [batch, embeddingWidth] float32 */
  readonly pooledMax: number;
  readonly pooledSum: number;
  readonly bytes: number;
}

export interface SequencePlace {
  readonly values: number;
  readonly scales: number;
}

/** Numbers of a row come in such groups: the bytes of a vector. */
const ROW_STEP = 16;
/** Units whose gates lie side by side. */
export const PANEL_UNITS = 4;
/** Gates of a panel. */
export const PANEL_GATES = 16;
/** Every part begins at a multiple of this many bytes: a line of the cache. */
const ALIGNMENT = 64;
/**
 * Token rows that share one pass over a layer's input weights. More would save little, for the weights of a panel stay in the
 * nearest cache meanwhile, and each takes 4 float32 a unit.
 */
const BLOCK_ROWS = 96;

/** A width as the kernel stores it. */
export function padded(width: number): number {
  return Math.ceil(width / ROW_STEP) * ROW_STEP;
}

/**
 * Where each part of a classifier's weights lies in their image.
 *
 * @example
 * weightLayout({ vocabulary: 60_000, embedding: 400, hidden: 1152, layers: 3, headHidden: 50, outputs: 2 }).bytes; // 45 million
 */
export function weightLayout(sizes: KernelSizes): WeightLayout {
  const take = allocator(0);
  const embeddingWidth = padded(sizes.embedding);
  const embedding = take(sizes.vocabulary * embeddingWidth);
  const embeddingScales = take(4 * sizes.vocabulary);
  const units = layerSizes(sizes).map(padded);
  const layers = units.map((own, layer): LayerPlace => {
    const inputWidth = units[layer - 1] ?? embeddingWidth;
    const matrix = (width: number): MatrixPlace => ({ weights: take(4 * own * width), scales: take(16 * own), offsets: take(16 * own) });
    return { inputWidth, units: own, input: matrix(inputWidth), recurrent: matrix(own), biases: take(16 * own) };
  });
  const block = (inputs: number, outputs: number): HeadPlace => ({
    inputs,
    outputs,
    mean: take(4 * inputs),
    weight: take(4 * inputs * outputs),
    bias: take(4 * outputs),
  });
  const head = [block(3 * sizes.embedding, sizes.headHidden), block(sizes.headHidden, sizes.outputs)] as const;
  return { embeddingWidth, embedding, embeddingScales, layers, head, bytes: take(0) };
}

/**
 * Where the kernel works on a batch.
 *
 * @param start the first byte that may be used.
 * @param batch documents in a call.
 */
export function workLayout({ layers, embeddingWidth }: WeightLayout, start: number, batch: number): WorkLayout {
  const take = allocator(start);
  const blockRows = Math.max(BLOCK_ROWS, batch);
  const widest = Math.max(...layers.flatMap(({ inputWidth, units }) => [inputWidth, units]));
  const sequence = (rows: number): SequencePlace => ({ values: take(rows * widest), scales: take(4 * rows) });
  const rows = (width: number) => take(4 * batch * width);
  return {
    blockRows,
    sequences: [sequence(blockRows), sequence(blockRows)],
    start: sequence(batch),
    gates: take(16 * blockRows * Math.max(...layers.map(({ units }) => units))),
    states: layers.map(({ units }) => ({ hidden: rows(units), cell: rows(units) })),
    pooledMax: rows(embeddingWidth),
    pooledSum: rows(embeddingWidth),
    bytes: take(0),
  };
}

/** Hands out pieces of memory one after another, each at a multiple of the alignment. */
function allocator(start: number): (bytes: number) => number {
  let next = Math.ceil(start / ALIGNMENT) * ALIGNMENT;
  return (bytes) => {
    const place = next;
    next += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    return place;
  };
}
