import { layerSizes, type ModelSizes } from '../export/bundle.ts';
import { PADDING_ID } from '../text/vocabulary.ts';
import type { ChunkResult, ChunkRow, DocumentState } from './classifierRuntime.ts';

/** One input of the graph as plain values, so that either build of onnxruntime can wrap it in its own tensor. */
export type GraphInput =
  | { readonly type: 'int64'; readonly data: BigInt64Array; readonly dims: readonly number[] }
  | { readonly type: 'int32'; readonly data: Int32Array; readonly dims: readonly number[] }
  | { readonly type: 'float32'; readonly data: Float32Array; readonly dims: readonly number[] };

/**
 * Lays the rows side by side as the graph's inputs. Shorter rows are filled up with the padding token; `lengths` tells the
 * graph where each row ends, so that padding advances nothing.
 *
 * Shapes: tokens [batch, time], lengths [batch], hidden_l and cell_l [batch, h_l], pooled_max and pooled_sum
 * [batch, embedding], count [batch, 1].
 */
export function packRows(rows: readonly ChunkRow[], sizes: ModelSizes): Record<string, GraphInput> {
  const batch = rows.length;
  const time = Math.max(...rows.map((row) => row.tokens.length));
  const inputs: Record<string, GraphInput> = {
    tokens: { type: 'int64', data: packTokens(rows, time), dims: [batch, time] },
    lengths: { type: 'int32', data: Int32Array.from(rows, (row) => row.tokens.length), dims: [batch] },
    pooled_max: packStates(rows, sizes.embedding, (state) => state.pooledMax),
    pooled_sum: packStates(rows, sizes.embedding, (state) => state.pooledSum),
    count: { type: 'float32', data: Float32Array.from(rows, (row) => row.state.count), dims: [batch, 1] },
  };
  for (const [layer, width] of layerSizes(sizes).entries()) {
    inputs[`hidden_${layer}`] = packStates(rows, width, (state) => state.hidden[layer]);
    inputs[`cell_${layer}`] = packStates(rows, width, (state) => state.cell[layer]);
  }
  return inputs;
}

/**
 * Takes the graph's outputs apart again, one result per row, in order. Every value is copied: a state that is kept for one
 * document must not hold the memory of the whole batch.
 *
 * @throws Error when the graph did not return an output of the expected size.
 */
export function unpackRows(
  outputs: Readonly<Record<string, Float32Array>>,
  rows: readonly ChunkRow[],
  sizes: ModelSizes,
  logitCount: number,
): ChunkResult[] {
  const batch = rows.length;
  const slicer = (name: string, width: number) => {
    const data = outputs[name];
    if (data?.length !== batch * width) {
      throw new Error(`The graph's output ${name} has ${data?.length ?? 'no'} values; ${batch} rows of ${width} were expected.`);
    }
    return (row: number) => data.slice(row * width, (row + 1) * width);
  };
  const logits = slicer('logits', logitCount);
  const hidden = layerSizes(sizes).map((width, layer) => slicer(`new_hidden_${layer}`, width));
  const cell = layerSizes(sizes).map((width, layer) => slicer(`new_cell_${layer}`, width));
  const pooledMax = slicer('new_pooled_max', sizes.embedding);
  const pooledSum = slicer('new_pooled_sum', sizes.embedding);
  return rows.map(({ tokens, state }, row) => ({
    logits: logits(row),
    state: {
      hidden: hidden.map((slice) => slice(row)),
      cell: cell.map((slice) => slice(row)),
      pooledMax: pooledMax(row),
      pooledSum: pooledSum(row),
      count: state.count + tokens.length,
    },
  }));
}

function packTokens(rows: readonly ChunkRow[], time: number): BigInt64Array {
  const tokens = new BigInt64Array(rows.length * time).fill(BigInt(PADDING_ID));
  for (const [row, { tokens: ids }] of rows.entries()) {
    for (const [step, id] of ids.entries()) tokens[row * time + step] = BigInt(id);
  }
  return tokens;
}

function packStates(rows: readonly ChunkRow[], width: number, part: (state: DocumentState) => Float32Array | undefined): GraphInput {
  const data = new Float32Array(rows.length * width);
  for (const [row, { state }] of rows.entries()) {
    const values = part(state);
    if (values?.length !== width)
      throw new RangeError(`A document's state has ${values?.length ?? 'no'} values where the model has ${width}.`);
    data.set(values, row * width);
  }
  return { type: 'float32', data, dims: [rows.length, width] };
}
