/** Numbers that a formula gives, so that nothing large has to be committed: formula.py gives the same ones, bit by bit. */

/** MurmurHash3's 32-bit finalizer (Appleby): every bit that comes in reaches every bit that goes out. */
function scrambled(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

const size = (shape: readonly number[]): number => shape.reduce((product, axis) => product * axis, 1);

/** `count` numbers of 32 bits that depend on the name alone: FNV-1a of the name, then a finalizer for each place. */
export function hashes(name: string, count: number): Uint32Array {
  let start = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) start = Math.imul(start ^ name.charCodeAt(i), 0x01000193);
  let at = scrambled(start);
  const result = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    result[i] = scrambled(at);
    at = (at + 0x9e3779b9) | 0;
  }
  return result;
}

/** Multiples of bound / 2048 from -bound to bound: exact where the bound is a power of two. */
export function uniform(name: string, shape: readonly number[], bound: number): Float32Array {
  return floats(name, shape, (hash) => ((hash >>> 20) - 2048) * (bound / 2048));
}

/** A dropout mask: 0 with the given probability, else 1 / (1 - probability). */
export function mask(name: string, shape: readonly number[], probability: number): Float32Array {
  return floats(name, shape, (hash) => (hash >= probability * 2 ** 32 ? 1 / (1 - probability) : 0));
}

/** A loop, because `Float32Array.from` takes seconds for the embedding of a preset. */
function floats(name: string, shape: readonly number[], valueOf: (hash: number) => number): Float32Array {
  const drawn = hashes(name, size(shape));
  const values = new Float32Array(drawn.length);
  for (let i = 0; i < drawn.length; i++) values[i] = valueOf(drawn[i] ?? 0);
  return values;
}

/** Whole numbers from low to high - 1. */
export function integers(name: string, shape: readonly number[], low: number, high: number): Int32Array {
  return Int32Array.from(hashes(name, size(shape)), (hash) => (hash % (high - low)) + low);
}
