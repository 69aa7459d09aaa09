import { attributes, backend, hasMatrixUnit, tf, type Tensor } from './operations.ts';
import { currentPrecision, type Precision } from './precision.ts';
import type { Attribute, TensorHandle } from './tensorflow.ts';

/** TensorFlow's numbers of the types in which products multiply. */
export const PRODUCT_TYPES: Readonly<Record<Precision, number>> = {
  fp32: attributes.float32,
  bf16: attributes.bfloat16,
  fp16: attributes.float16,
};

/**
 * A matrix in the type in which it is multiplied. tfjs, which does not know all of these types, takes its tensor for fp32 and manages its
 * memory like any other's; its numbers are for {@link product} and our own ops alone.
 */
export interface Operand {
  readonly tensor: Tensor;
  /** TensorFlow's number of the element type. */
  readonly type: number;
}

/** Whether products are to be made by our own ops on a processor's matrix unit, which multiplies bf16. */
export function onMatrixUnit(): boolean {
  return hasMatrixUnit && currentPrecision() === 'bf16';
}

/**
 * A large matrix product of training: `a · b`, with either side transposed first, in the precision of this process. a, b and the result
 * are fp32 tensors whatever that is: below fp32, both sides are rounded first, sums are formed in fp32 inside, and the result has been
 * rounded once. tfjs cannot differentiate it: it stands in functions with a gradient of their own (`tf.customGrad`).
 *
 * @param a `[m, k]`, or `[k, m]` where `transposeA`; a tensor, or one of the operands below
 * @param b `[k, n]`, or `[n, k]` where `transposeB`
 * @returns `[m, n]`
 */
export function product(a: Tensor | Operand, b: Tensor | Operand, transposeA = false, transposeB = false): Tensor {
  return raised(roundedProduct(a, b, transposeA, transposeB));
}

/** {@link product} in the types that our own ops take: bf16 where the precision is bf16, else fp32. */
export function productForOps(a: Tensor | Operand, b: Tensor | Operand, transposeA = false, transposeB = false): Operand {
  const rounded = roundedProduct(a, b, transposeA, transposeB);
  return rounded.type === attributes.bfloat16 ? rounded : exactOperand(raised(rounded));
}

/** Casts a matrix for several products, to the precision of now. The result is the caller's, also where it is the same numbers. */
export function operand(x: Tensor): Operand {
  const type = PRODUCT_TYPES[currentPrecision()];
  return type === attributes.float32 ? exactOperand(tf.clone(x)) : { tensor: lower(x, type), type };
}

/** An fp32 tensor as an operand: the same tensor. */
export function exactOperand(tensor: Tensor): Operand {
  return { tensor, type: attributes.float32 };
}

function roundedProduct(a: Tensor | Operand, b: Tensor | Operand, transposeA: boolean, transposeB: boolean): Operand {
  const type = PRODUCT_TYPES[currentPrecision()];
  return tf.tidy(() => {
    const sides = [a, b].map((side) => {
      const given = 'tensor' in side ? side : exactOperand(side);
      if (given.type === type) return given.tensor;
      if (given.type !== attributes.float32) throw new Error('product: the precision has changed since the operand was made');
      return lower(given.tensor, type);
    });
    const types = [
      attributes.boolean('transpose_a', transposeA),
      attributes.boolean('transpose_b', transposeB),
      attributes.type('T', type),
    ];
    return { tensor: runInType('MatMul', sides, types), type };
  });
}

/** Runs an operation with one output, whatever its type: what comes out may be an operand's tensor. */
export function runInType(operation: string, inputs: Tensor[], types: readonly Attribute[]): Tensor {
  const [output] = backend.binding.executeOp(operation, types, backend.getInputTensorIds(inputs), 1);
  if (output === undefined) throw new Error(`${operation} gave no output`);
  return carrier(output);
}

/** Gives a handle of any type to tfjs, which takes it for fp32: its life is managed like a tensor's, and its numbers are not looked at. */
export function carrier({ id, shape }: Pick<TensorHandle, 'id' | 'shape'>): Tensor {
  return backend.createOutputTensor({ id, shape, dtype: attributes.float32 });
}

/** An fp32 tensor in another type: a carrier, or the tensor itself where the type is fp32. */
export function lower(x: Tensor, type: number): Tensor {
  return type === attributes.float32 ? x : cast(x, attributes.float32, type);
}

/** Back to fp32. */
export function raise(x: Tensor, type: number): Tensor {
  return type === attributes.float32 ? x : cast(x, type, attributes.float32);
}

/** A new operand's tensor in fp32; the operand is used up. */
function raised({ tensor, type }: Operand): Tensor {
  const exact = raise(tensor, type);
  if (exact !== tensor) tensor.dispose();
  return exact;
}

function cast(x: Tensor, from: number, to: number): Tensor {
  return runInType('Cast', [x], [attributes.type('SrcT', from), attributes.type('DstT', to), attributes.boolean('Truncate', false)]);
}
