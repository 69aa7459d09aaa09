/** Small models, random values and texts for the trainer's tests. */
import { tokenCorpus, type TokenCorpus } from './data/tokenCorpus.ts';
import { hostRandom } from './engine/random.ts';
import { hasFusedOps, hasMatrixUnit, tf, type Scalar, type Tensor } from './engine/operations.ts';
import { classifierShapes, languageModelShapes } from './model/parameters.ts';
import type { Sizes } from './model/presets.ts';

/** Widths that all differ, so that no two axes can be mixed up unseen. */
export const TINY: Sizes = { vocabulary: 24, embedding: 5, hidden: 7, layers: 3 };

/** What the titles of tests of our own operations end with where they are skipped, and then why. */
export const SKIPPED_OPS = hasFusedOps ? '' : ' (skipped: our own operations are not compiled, not wanted, or a GPU computes)';

/** Likewise of those that want a matrix unit. */
export const SKIPPED_UNIT = hasMatrixUnit ? '' : ' (skipped: the processor has no matrix unit for bf16)';

/** Uniform numbers in [-range, range) that depend on the name alone. */
export function randomValues(count: number, name: string, range = 1): Float32Array {
  const random = hostRandom({ seed: 7, step: 0 }, name);
  return Float32Array.from({ length: count }, () => (2 * random() - 1) * range);
}

/** A tensor of {@link randomValues}. */
export function randomTensor(shape: number[], name: string, range = 1): Tensor {
  return tf.tensor(
    randomValues(
      shape.reduce((product, axis) => product * axis, 1),
      name,
      range,
    ),
    shape,
  );
}

/** A language model whose weights are large enough for everything to matter. */
export function tinyLanguageModel(sizes: Sizes = TINY): Map<string, Tensor> {
  return new Map([...languageModelShapes(sizes)].map(([name, shape]) => [name, randomTensor(shape, name, 0.7)]));
}

/** A classifier of that kind; its batch norms have running statistics of their own. */
export function tinyClassifierParameters(sizes: Sizes = TINY, classes = 3): Map<string, Tensor> {
  return new Map(
    [...classifierShapes(sizes, classes)].map(([name, shape]) => {
      const values = randomTensor(shape, name, 0.7);
      return [name, /\.norm\.(scale|variance)$/.test(name) ? tf.add(values, 1) : values];
    }),
  );
}

/** A document of random words; no special tokens, so never padding. */
export function randomDocument(length: number, name: string, vocabulary = TINY.vocabulary): Int32Array {
  const random = hostRandom({ seed: 11, step: length }, name);
  return Int32Array.from({ length }, () => 9 + Math.floor(random() * (vocabulary - 9)));
}

/** Documents that all say the same over and over, which a language model soon knows by heart. */
export function repetitiveCorpus(documents: number, length: number): TokenCorpus {
  return tokenCorpus(
    Array.from({ length: documents }, () => Int32Array.from({ length }, (_, place) => (place === 0 ? 2 : 9 + (place % 6)))),
  );
}

/** A scalar and its gradients in some tensors, as plain numbers. */
export function valueAndGradients(loss: () => Tensor, tensors: readonly Tensor[]): { value: number; gradients: Float32Array[] } {
  const { value, grads } = tf.valueAndGrads(() => loss() as Scalar)([...tensors]);
  const result = { value: value.dataSync()[0] ?? Number.NaN, gradients: grads.map((gradient) => gradient.dataSync<'float32'>()) };
  tf.dispose([value, ...grads]);
  return result;
}

/** The numbers in a tensor. */
export function numbers(tensor: Tensor | undefined): number[] {
  if (tensor === undefined) throw new Error('there is no such tensor');
  return [...tensor.dataSync()];
}
