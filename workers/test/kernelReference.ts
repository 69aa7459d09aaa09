/** The kernel's arithmetic in plain TypeScript: one row, one number at a time, straight from the weights of the graph. */
import { layerSizes } from '../../export/bundle.ts';
import type { ChunkRow, DocumentState } from '../../serve/classifierRuntime.ts';
import type { GraphWeights } from '../kernel/pack.ts';

const f32 = Math.fround;

/** Integers with the float32 that they are multiplied with. */
interface Quantized {
  readonly integers: readonly number[];
  readonly scale: number;
}

/** One chunk of one document. Every number of the state is float32, rounded after every operation. */
export function referenceChunk(weights: GraphWeights, { tokens, state }: ChunkRow): DocumentState {
  const { embedding: width } = weights.sizes;
  const sizes = layerSizes(weights.sizes);
  const hidden = state.hidden.map((row) => Array.from(row));
  const cell = state.cell.map((row) => Array.from(row));
  const [pooledMax, pooledSum] = [Array.from(state.pooledMax), Array.from(state.pooledSum)];
  const layers = weights.layers.map(({ inputSize, hiddenSize, inputWeights, recurrentWeights, biases }) => ({
    biases,
    input: channelsOf(inputWeights, 4 * hiddenSize, inputSize),
    recurrent: channelsOf(recurrentWeights, 4 * hiddenSize, hiddenSize),
  }));
  for (const token of tokens) {
    let below = quantized(Array.from(weights.embedding.subarray(token * width, (token + 1) * width)), 63, false);
    for (const [index, { input, recurrent, biases }] of layers.entries()) {
      const before = quantized(hidden[index] ?? [], 63, true);
      const gate = (channel: number) =>
        f32(f32(scaledProduct(input[channel], below) + (biases[channel] ?? 0)) + scaledProduct(recurrent[channel], before));
      const units = sizes[index] ?? 0;
      const values = Array.from({ length: units }, (_, unit) => {
        const [in_, out, forget, fresh] = [0, 1, 2, 3].map((place) => gate(place * units + unit)) as [number, number, number, number];
        const kept = f32(sigmoid(forget) * (cell[index]?.[unit] ?? 0));
        const next = f32(kept + f32(sigmoid(in_) * tanh(fresh)));
        return { next, output: f32(sigmoid(out) * tanh(next)) };
      });
      cell[index] = values.map(({ next }) => next);
      hidden[index] = values.map(({ output }) => output);
      below = quantized(hidden[index] ?? [], 63, true);
    }
    for (const [unit, value] of (hidden.at(-1) ?? []).entries()) {
      pooledMax[unit] = Math.max(pooledMax[unit] ?? 0, value);
      pooledSum[unit] = f32((pooledSum[unit] ?? 0) + value);
    }
  }
  return {
    hidden: hidden.map((row) => Float32Array.from(row)),
    cell: cell.map((row) => Float32Array.from(row)),
    pooledMax: Float32Array.from(pooledMax),
    pooledSum: Float32Array.from(pooledSum),
    count: state.count + tokens.length,
  };
}

function channelsOf(matrix: Float32Array, channels: number, width: number): Quantized[] {
  return Array.from({ length: channels }, (_, channel) =>
    quantized(Array.from(matrix.subarray(channel * width, (channel + 1) * width)), 127, false),
  );
}

/**
 * @param atRunTime activations are multiplied with a float32 factor and halves go to even; weights are divided in double precision.
 */
function quantized(values: readonly number[], largestInteger: number, atRunTime: boolean): Quantized {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const scale = f32(largest / largestInteger);
  const factor = largest > 0 ? f32(largestInteger / largest) : 0;
  const integer = (value: number) => {
    if (atRunTime) return roundToEven(f32(value * factor));
    return scale === 0 ? 0 : Math.round(value / scale);
  };
  return { integers: values.map(integer), scale };
}

function scaledProduct(channel: Quantized | undefined, row: Quantized): number {
  if (channel === undefined) throw new RangeError('There is no such channel.');
  const sum = channel.integers.reduce((total, weight, place) => total + weight * (row.integers[place] ?? 0), 0);
  return f32(f32(f32(sum) * channel.scale) * row.scale);
}

function sigmoid(x: number): number {
  return f32(1 / f32(1 + exp(-x)));
}

function tanh(x: number): number {
  return f32(1 - f32(2 / f32(1 + exp(f32(x + x)))));
}

/** The kernel's own approximation; that it is one of e^x is tested apart. */
export function exp(value: number): number {
  const x = Math.max(-87, Math.min(87, value));
  const n = roundToEven(f32(x * f32(1.4426950408889634)));
  const r = f32(f32(x - f32(n * f32(0.693359375))) - f32(n * f32(-0.00021219444005469057)));
  const coefficients = [1 / 120, 1 / 24, 1 / 6, 1 / 2, 1, 1];
  const series = coefficients.reduce((sum, coefficient) => f32(f32(sum * r) + f32(coefficient)), f32(1 / 720));
  return f32(series * 2 ** n);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
