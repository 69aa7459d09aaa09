import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../engine/tools.ts';
import type { DeviceTrace } from './deviceTrace.ts';

/** A way to compute, as environment variables. */
export interface Way {
  readonly name: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** A way that should agree with the processor's fp32. */
export interface Compared extends Way {
  /** Largest difference of an element, over the largest element of its tensor. */
  readonly tolerance: number;
  /** Whether products are rounded: then what jumps at the smallest difference is not compared. */
  readonly rounded: boolean;
}

export const ON_PROCESSOR: Way = { name: 'processor, fp32', environment: { ULMFIT_DEVICE: 'cpu', ULMFIT_PRECISION: 'fp32' } };

/**
 * The GPU without TF32 (NVIDIA's libraries heed the variable), where it agrees as closely as two processors do, and in each precision
 * in which it trains. A factor keeps 10 bits of its fraction in TF32 and fp16 and 7 in bf16: 5e-4 and 4e-3 of it are lost.
 */
export const ON_GPU: readonly Compared[] = [
  { ...gpu('GPU, fp32 without TF32', { ULMFIT_PRECISION: 'fp32', NVIDIA_TF32_OVERRIDE: '0' }), tolerance: 1e-4, rounded: false },
  { ...gpu('GPU, fp32', { ULMFIT_PRECISION: 'fp32' }), tolerance: 2e-2, rounded: true },
  { ...gpu('GPU, bf16', { ULMFIT_PRECISION: 'bf16' }), tolerance: 5e-2, rounded: true },
  { ...gpu('GPU, fp16', { ULMFIT_PRECISION: 'fp16' }), tolerance: 2e-2, rounded: true },
];

/** Max pooling takes another time step, and ReLU another side, where two values are nearly the same: their gradients jump. */
const JUMPS = /^classifier: (gradient of|.* after a step$)/;

/** How far one value is off. */
export interface Difference {
  readonly value: string;
  /** Largest difference of an element, over the largest element. */
  readonly difference: number;
}

/** The values of a step in one way beside the same in another. */
export interface Comparison {
  readonly reference: string;
  readonly compared: string;
  readonly tolerance: number;
  readonly agrees: boolean;
  readonly differences: readonly Difference[];
}

/** Beside the processor's values. Pure. */
export function compareTraces(reference: DeviceTrace, found: DeviceTrace, { name, tolerance, rounded }: Compared): Comparison {
  const differences = Object.entries(reference.values)
    .filter(([value]) => !rounded || !JUMPS.test(value))
    .map(([value, numbers]) => ({ value, difference: relativeDifference(found.values[value] ?? [], numbers) }));
  const agrees = differences.every(({ difference }) => difference <= tolerance);
  return { reference: ON_PROCESSOR.name, compared: name, tolerance, agrees, differences };
}

/**
 * Computes steps of small models on the processor and in other ways, each in a process of its own, and compares them value by value.
 *
 * @throws Error where one of them fails: the message is what it said
 */
export async function compareWithProcessor(ways: readonly Compared[]): Promise<Comparison[]> {
  const reference = await trace(ON_PROCESSOR);
  const comparisons: Comparison[] = [];
  for (const way of ways) comparisons.push(compareTraces(reference, await trace(way), way));
  return comparisons;
}

/** Runs the program of deviceTrace.ts. */
export async function trace({ name, environment }: Way): Promise<DeviceTrace> {
  const here = fileURLToPath(import.meta.url);
  const outcome = await run([process.execPath, join(here, '..', `deviceTrace${extname(here)}`)], [], { environment });
  if (outcome?.status !== 0) {
    throw new Error(`the small models could not be computed (${name}): ${outcome?.stderr.trim() || (outcome?.signal ?? 'no answer')}`);
  }
  return JSON.parse(outcome.stdout) as DeviceTrace;
}

/** Infinite where a number is missing or not finite. */
function relativeDifference(found: readonly number[], expected: readonly number[]): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  let difference = 0;
  for (const [index, value] of expected.entries()) {
    const other = found[index] ?? Number.NaN;
    if (!Number.isFinite(other)) return Number.POSITIVE_INFINITY; // JSON has null for these
    largest = Math.max(largest, Math.abs(value));
    difference = Math.max(difference, Math.abs(other - value));
  }
  return largest === 0 ? difference : difference / largest;
}

function gpu(name: string, environment: Readonly<Record<string, string>>): Way {
  return { name, environment: { ULMFIT_DEVICE: 'gpu', ...environment } };
}
