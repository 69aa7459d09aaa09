import type { Attribute, Binding } from './tensorflow.ts';

/** Scalars that are remembered: far more than a step uses, and a learning rate that moves pushes only old ones out. */
const REMEMBERED = 512;

/**
 * Lets every fp32 scalar go to the GPU once. tfjs makes a tensor of each number in an expression such as `tf.mul(x, 0.7)`, and TensorFlow
 * copies it to the GPU and waits for that behind all that the GPU still has to do: a hundred waits in a step. A number that was copied
 * before is taken from there instead (`Identity`, which copies nothing and waits for nothing).
 *
 * @param float32 TensorFlow's number of the type
 * @returns the binding, with another `createTensor`
 */
export function rememberingScalars(binding: Binding, float32: number, remembered: number = REMEMBERED): Binding {
  const type: Attribute = { name: 'T', type: binding.TF_ATTR_TYPE, value: float32 };
  /** Handles that are never given away, the one that was used longest ago first. */
  const handles = new Map<number, number>();
  const createTensor: Binding['createTensor'] = (shape, dtype, values) => {
    const [value] = values;
    // Negative zero would be found as zero.
    if (shape.length > 0 || dtype !== float32 || value === undefined || Object.is(value, -0)) {
      return binding.createTensor(shape, dtype, values);
    }
    const known = handles.get(value) ?? binding.createTensor(shape, dtype, values);
    handles.delete(value);
    handles.set(value, known);
    const [oldest] = handles;
    if (oldest !== undefined && handles.size > remembered) {
      handles.delete(oldest[0]);
      binding.deleteTensor(oldest[1]);
    }
    const [reference] = binding.executeOp('Identity', [type], [known], 1);
    if (reference === undefined) throw new Error('Identity gave no output');
    return reference.id;
  };
  // The binding's own properties cannot be written.
  return Object.create(binding, { createTensor: { value: createTensor } }) as Binding;
}
