import { layerSizes, LOWEST_FLOAT32, type ModelSizes } from '../export/bundle.ts';
import type { DocumentState } from './classifierRuntime.ts';

/**
 * The state of a document of which nothing has been read: zeros, and a maximum below every number.
 *
 * @example
 * const state = freshDocumentState(member.sizes);
 * state.count; // 0
 */
export function freshDocumentState(sizes: ModelSizes): DocumentState {
  const zeroRows = () => layerSizes(sizes).map((width) => new Float32Array(width));
  return {
    hidden: zeroRows(),
    cell: zeroRows(),
    pooledMax: new Float32Array(sizes.embedding).fill(LOWEST_FLOAT32),
    pooledSum: new Float32Array(sizes.embedding),
    count: 0,
  };
}
