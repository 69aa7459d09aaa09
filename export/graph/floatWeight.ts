import { TensorProto_DataType as DataType } from 'onnx-buf';

import { UserError } from '../../text/errors.ts';
import { toFloat16 } from '../../trainer/checkpoint/float16.ts';
import type { GraphBuilder, Value } from './builder.ts';

/** How weights that are computed with in float32 lie in their files. */
export type FloatStorage = 'float32' | 'float16';

/** The largest number that a half holds. */
const LARGEST_HALF = 65_504;

/**
 * A large learned tensor, float32 where it is used. One that is stored in 16 bits is widened by the graph; onnxruntime does that once,
 * when it opens the session.
 */
export function floatWeight(graph: GraphBuilder, storage: FloatStorage, name: string, shape: readonly number[], data: Float32Array): Value {
  if (storage === 'float32') return graph.weight(name, shape, data);
  const stored = graph.weight(`${name}_float16`, shape, halves(name, data));
  return graph.node('Cast', [stored], name, `${name} in float32.`, { to: DataType.FLOAT });
}

/**
 * Rounds to 16 bits.
 *
 * @throws UserError where a number is too large for them.
 */
export function halves(name: string, data: Float32Array): Uint16Array<ArrayBuffer> {
  const tooLarge = data.find((value) => !(Math.abs(value) <= LARGEST_HALF));
  if (tooLarge !== undefined) {
    throw new UserError(
      `${name} holds ${tooLarge}, but 16 bits hold no number beyond ${LARGEST_HALF}. Export the model with 32 bits, or check its training.`,
    );
  }
  return toFloat16(data);
}
