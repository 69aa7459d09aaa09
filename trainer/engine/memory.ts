import { layerWidth, type Sizes } from '../model/presets.ts';

/** What a training step computes on. */
export interface Workload {
  readonly sizes: Sizes;
  /** Tokens of one item of a batch that carry a gradient: of a stream's window, or of a document. */
  readonly tokens: number;
  /** Whether words are predicted. A classifier has no logits to speak of. */
  readonly predictsWords: boolean;
}

/**
 * Numbers held at a step's peak: for every parameter, for every unit of an LSTM layer at every token, and for every number of a word's
 * vector at every token. A parameter has itself, its gradient and Adam's two moments; the rest is masked, clipped and updated copies.
 * Measured on the processor as the growth of the resident set with TensorFlow's own operations, which a GPU runs as well; our fused ones
 * take a little over half of it. docs/gpu.md has the measurements.
 */
const HELD = { parameter: 12, unit: 14, embedding: 10 };

/** Logits are made for so many bytes of rows at a time (crossEntropy.ts), and passed through softmax in so many copies. */
const LOGITS = { bytes: 64 << 20, copies: 3 };

/** What does not depend on the model. */
const FIXED = 25e6;

const BYTES = 4;

/** About how much memory a training step takes at its peak, in bytes: up to a quarter more than what was measured. */
export function trainingBytes({ sizes, tokens, predictsWords }: Workload, batch: number): number {
  const widths = Array.from({ length: sizes.layers }, (_, layer) => layerWidth(sizes, layer));
  const parameters = widths.reduce(
    (sum, width, layer) => sum + 4 * width * ((layer === 0 ? sizes.embedding : (widths[layer - 1] ?? 0)) + width + 1),
    (sizes.embedding + 1) * sizes.vocabulary,
  );
  const rows = batch * tokens;
  const units = widths.reduce((sum, width) => sum + width, 0);
  const logits = predictsWords ? LOGITS.copies * Math.min(LOGITS.bytes, rows * sizes.vocabulary * BYTES) : 0;
  return FIXED + logits + BYTES * (HELD.parameter * parameters + rows * (HELD.unit * units + HELD.embedding * sizes.embedding));
}

/** The largest batch that fits into so many bytes; 0 where none does. */
export function largestBatch(workload: Workload, bytes: number): number {
  let [fits, tooLarge] = [0, 1];
  while (trainingBytes(workload, tooLarge) <= bytes) [fits, tooLarge] = [tooLarge, 2 * tooLarge];
  while (tooLarge - fits > 1) {
    const middle = Math.floor((fits + tooLarge) / 2);
    if (trainingBytes(workload, middle) <= bytes) fits = middle;
    else tooLarge = middle;
  }
  return fits;
}
