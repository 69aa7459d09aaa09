import { attributes, backend, tf, type Tensor } from './operations.ts';
import { currentPrecision, type Precision } from './precision.ts';
import type { Attribute, TensorHandle } from './tensorflow.ts';

/** TensorFlow's numbers of the types in which products multiply. */
export const PRODUCT_TYPES: Readonly<Record<Precision, number>> = {
  fp32: attributes.float32,
  bf16: attributes.bfloat16,
  fp16: attributes.float16,
};

/** A matrix in the type in which it is multiplied, for several products: cast once. The owner disposes of it. */
export interface Operand {
  /** A bare handle of {@link type}. */
  readonly handle: number;
  /** TensorFlow's number of the element type. */
  readonly type: number;
  dispose(): void;
}

/**
 * A large matrix product of training: `a · b`, with either side transposed first, in the precision of this process. a, b and the result
 * are fp32 tensors whatever that is: below fp32, both sides are rounded first, sums are formed in fp32 inside, and the result has been
 * rounded once. tfjs cannot differentiate it: it stands in functions with a gradient of their own (`tf.customGrad`).
 *
 * @param a `[m, k]`, or `[k, m]` where `transposeA`; a tensor, or what {@link operand} made of one
 * @param b `[k, n]`, or `[n, k]` where `transposeB`
 * @returns `[m, n]`
 */
export function product(a: Tensor | Operand, b: Tensor | Operand, transposeA = false, transposeB = false): Tensor {
  const type = PRODUCT_TYPES[currentPrecision()];
  const left = borrow(a, type);
  const right = borrow(b, type);
  const result = onlyOutput(
    'MatMul',
    [left.handle, right.handle],
    [attributes.boolean('transpose_a', transposeA), attributes.boolean('transpose_b', transposeB), attributes.type('T', type)],
  );
  left.dispose();
  right.dispose();
  if (type === attributes.float32) return backend.createOutputTensor(result);
  const exact = castHandle(result.id, type, attributes.float32);
  backend.binding.deleteTensor(result.id);
  return backend.createOutputTensor(exact);
}

/** Casts a matrix for several products, to the precision of now. */
export function operand(x: Tensor): Operand {
  const type = PRODUCT_TYPES[currentPrecision()];
  if (type !== attributes.float32) return borrow(x, type);
  // A second reference to the same numbers, so that x may go first.
  const kept = tf.keep(x.clone());
  return { handle: handleOf(kept), type, dispose: () => kept.dispose() };
}

/** Casts a bare handle to another element type, given by TensorFlow's numbers. The caller deletes the result. */
export function castHandle(id: number, from: number, to: number): TensorHandle {
  return onlyOutput('Cast', [id], [attributes.type('SrcT', from), attributes.type('DstT', to), attributes.boolean('Truncate', false)]);
}

/** A tensor as an operand for one product. An operand stays what it is, and its owner's. */
function borrow(x: Tensor | Operand, type: number): Operand {
  if ('handle' in x) {
    if (x.type !== type) throw new Error('product: the precision has changed since the operand was made');
    return { ...x, dispose: () => {} };
  }
  const id = handleOf(x);
  if (type === attributes.float32) return { handle: id, type, dispose: () => {} };
  const cast = castHandle(id, attributes.float32, type);
  return { handle: cast.id, type, dispose: () => backend.binding.deleteTensor(cast.id) };
}

function handleOf(x: Tensor): number {
  const [id] = backend.getInputTensorIds([x]);
  if (id === undefined) throw new Error('a tensor has no handle');
  return id;
}

function onlyOutput(operation: string, inputs: readonly number[], types: readonly Attribute[]): TensorHandle {
  const [result] = backend.binding.executeOp(operation, types, inputs, 1);
  if (result === undefined) throw new Error(`${operation} gave no output`);
  return result;
}
