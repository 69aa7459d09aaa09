import { fromFloat16 } from '../checkpoint/float16.ts';
import type { StorageType, TorchTensor } from './torchNames.ts';

type Kind = StorageType['kind'];

/** The numbers of a storage as float32, from its bytes, lowest byte first. Undefined for types that no weight has. */
export function toFloat32(kind: Kind, bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> | undefined {
  const { buffer } = bytes;
  switch (kind) {
    case 'float32':
      return new Float32Array(buffer);
    case 'float64':
      return Float32Array.from(new Float64Array(buffer));
    case 'float16':
      return fromFloat16(new Uint16Array(buffer));
    case 'bfloat16':
      return fromBrainFloat(new Uint16Array(buffer));
    case 'int64':
      return Float32Array.from(new BigInt64Array(buffer), Number);
    default:
      return undefined;
  }
}

/** A brain float is the upper half of a float32. */
function fromBrainFloat(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const values = new Float32Array(halves.length);
  const bits = new Uint32Array(values.buffer);
  for (let index = 0; index < halves.length; index++) bits[index] = (halves[index] ?? 0) << 16;
  return values;
}

/** How many numbers a tensor has. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** From the first to the last number of a tensor: how much of its storage it reaches over. */
export function reach({ shape, strides }: Pick<TorchTensor, 'shape' | 'strides'>): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((sum, size, axis) => sum + (size - 1) * (strides[axis] ?? 0), 1);
}

/**
 * Puts a tensor's numbers into rows: the last axis moves fastest.
 *
 * @param span the part of the storage that the tensor reaches over, from its first number on
 * @returns the span itself where it is in that order already
 */
export function inRows(
  span: Float32Array<ArrayBuffer>,
  { shape, strides }: Pick<TorchTensor, 'shape' | 'strides'>,
): Float32Array<ArrayBuffer> {
  if (isInRows(shape, strides)) return span;
  const values = new Float32Array(elementCount(shape));
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < values.length; to++) {
    values[to] = span[from] ?? Number.NaN;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const stride = strides[axis] ?? 0;
      from += stride;
      index[axis] = (index[axis] ?? 0) + 1;
      if (index[axis] !== shape[axis]) break;
      from -= stride * (shape[axis] ?? 0);
      index[axis] = 0;
    }
  }
  return values;
}

/** The stride of an axis of length 1 says nothing. */
function isInRows(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis] ?? 1;
  }
  return true;
}
