import { layerInputWidth, layerWidth } from '../trainer/model/presets.ts';
import type { Workload } from './workload.ts';

/** `[rows, inner] × [inner, columns]`, either side stored transposed. */
export interface MatrixProduct {
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
  readonly transposeLeft: boolean;
  readonly transposeRight: boolean;
}

/** A weight matrix `[inner, columns]`, or `[columns, inner]` where `transposed`, that every token is multiplied with. */
interface Weight {
  readonly inner: number;
  readonly columns: number;
  readonly transposed: boolean;
}

/**
 * The weights of the matrix products of one token: of each LSTM layer `[in, 4h]` and `[h, 4h]`, of the decoder `[vocabulary, embedding]`.
 * The classifier's head is left out: it sees a document once, not each token.
 */
function weightsOf({ sizes, task }: Workload): Weight[] {
  const layers = Array.from({ length: sizes.layers }, (_, layer) => {
    const columns = 4 * layerWidth(sizes, layer);
    return [layerInputWidth(sizes, layer), layerWidth(sizes, layer)].map((inner) => ({ inner, columns, transposed: false }));
  });
  const decoder = { inner: sizes.embedding, columns: sizes.vocabulary, transposed: true };
  return [...layers.flat(), ...(task === 'lm' ? [decoder] : [])];
}

/**
 * Floating-point operations of a token's matrix products, forward alone: 2 for each weight (a multiplication and an addition).
 *
 * @example
 * // One layer of width 2 on an embedding of 3 would be 2 · (3·8 + 2·8).
 */
export function forwardOperations(workload: Workload): number {
  return weightsOf(workload).reduce((sum, { inner, columns }) => sum + 2 * inner * columns, 0);
}

/**
 * Floating-point operations of the matrix products of some training steps. A token that sends a gradient costs three times its
 * forward pass: the gradients of the input and of the weight are products of the same size. Tokens before a document's gradient window
 * are read forward only. Padding does not count: it need not be computed.
 */
export function operationsOf(workload: Workload, steps: readonly number[]): number {
  const forward = forwardOperations(workload);
  if (workload.task === 'lm') return 3 * forward * workload.batch * workload.chunk * steps.length;
  const { chunk, window } = workload;
  const passes = steps
    .flatMap((step) => workload.documents[step] ?? [])
    .reduce((sum, length) => {
      const before = Math.max(0, Math.floor((length - window) / chunk)) * chunk;
      return sum + before + 3 * (length - before);
    }, 0);
  return forward * passes;
}

/**
 * The matrix products of a training step over `batch` × `chunk` tokens, each as one large product: forward `x·W`, and backward
 * `g·Wᵀ` and `xᵀ·g`. The recurrent products are among them as if no step had to wait for the one before: that is what makes their rate a limit.
 */
export function largeProducts(workload: Workload): MatrixProduct[] {
  const tokens = workload.batch * workload.chunk;
  return weightsOf(workload).flatMap(({ inner, columns, transposed }) => [
    { rows: tokens, inner, columns, transposeLeft: false, transposeRight: transposed },
    { rows: tokens, inner: columns, columns: inner, transposeLeft: false, transposeRight: !transposed },
    transposed
      ? { rows: columns, inner: tokens, columns: inner, transposeLeft: true, transposeRight: false }
      : { rows: inner, inner: tokens, columns, transposeLeft: true, transposeRight: false },
  ]);
}

/** Floating-point operations of a product. */
export function operationsOfProduct({ rows, inner, columns }: MatrixProduct): number {
  return 2 * rows * inner * columns;
}
