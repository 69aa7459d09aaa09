import { expect } from 'vitest';
import { hashes } from './formula.ts';
import type { Golden } from './golden.ts';

/** Of single values, of the largest of them, and of the norm. */
const TOLERANCE = 1e-5;
/**
 * Of the products with random signs: each adds up the differences of all elements, and so is as large as their norm, or two and three times
 * as large where it falls badly. Found: up to 8e-6.
 */
const PROJECTION_TOLERANCE = 2e-5;

/**
 * Expects a tensor to be the one of which digest.py kept something.
 *
 * @param values row-major, in the golden's layout
 */
export function expectDigest(values: ArrayLike<number>, golden: Golden, name: string): void {
  for (const [kind, difference] of Object.entries(differenceFromDigest(values, golden, name))) {
    expect(difference, `${name}: ${kind}`).toBeLessThan(kind === 'projections' ? PROJECTION_TOLERANCE : TOLERANCE);
  }
}

/** How far a tensor is from what digest.py kept of it, in every way that can be told. */
interface DigestDifference {
  /** Of single values, relative to the tensor's largest. */
  readonly entries: number;
  readonly largest: number;
  /** Of the L2 norm, relative to itself. */
  readonly norm: number;
  /** Of the products with vectors of ±1, relative to the L2 norm. */
  readonly projections: number;
}

function differenceFromDigest(values: ArrayLike<number>, golden: Golden, name: string): DigestDifference {
  const [norm, largest] = [golden.scalar(`${name}.norm`), golden.scalar(`${name}.largest`)];
  const found = measure(values, name, golden.floats(`${name}.projections`).length);
  const entries = golden.floats(`${name}.entries`);
  const places = golden.integers(`${name}.places`);
  return {
    entries: most(entries.length, (i) => (values[places[i] ?? -1] ?? Number.NaN) - (entries[i] ?? Number.NaN)) / largest,
    largest: Math.abs(found.largest - largest) / largest,
    norm: Math.abs(found.norm - norm) / norm,
    projections:
      most(
        found.projections.length,
        (k) => (found.projections[k] ?? Number.NaN) - (golden.floats(`${name}.projections`)[k] ?? Number.NaN),
      ) / norm,
  };
}

/** The largest absolute value, where not even one may be missing. */
function most(count: number, valueOf: (index: number) => number): number {
  return Math.max(...Array.from({ length: count }, (_, index) => Math.abs(valueOf(index))));
}

function measure(values: ArrayLike<number>, name: string, count: number) {
  const signs = hashes(`${name}.signs`, values.length);
  const projections = new Float64Array(count);
  let [squares, largest] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? Number.NaN;
    squares += value * value;
    largest = Math.max(largest, Math.abs(value));
    const bits = signs[i] ?? 0;
    for (let k = 0; k < count; k++) projections[k] = (projections[k] ?? 0) + ((bits >>> k) & 1 ? value : -value);
  }
  return { norm: Math.sqrt(squares), largest, projections };
}
