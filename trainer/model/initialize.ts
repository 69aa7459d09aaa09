import { statelessUniform, tf, type Tensor } from '../engine/operations.ts';
import { siteSeed } from '../engine/random.ts';
import { headShapes, languageModelShapes } from './parameters.ts';
import type { Sizes } from './presets.ts';

/** Half the width of the embedding's starting interval (fastai's `AWD_LSTM.initrange`). */
const EMBEDDING_RANGE = 0.1;

/** Fresh weights of a language model: embedding U(−0.1, 0.1), LSTM U(−1/√h, 1/√h) as in PyTorch, decoder bias 0. */
export function initializeLanguageModel(sizes: Sizes, seed: number): Map<string, Tensor> {
  return initialize(languageModelShapes(sizes), seed, (name, shape) => {
    if (name === 'embedding.weight') return EMBEDDING_RANGE;
    return name.startsWith('lstm.') ? 1 / Math.sqrt((shape.at(-1) ?? 0) / 4) : 0;
  });
}

/** Fresh weights of a classifier's head: linear layers U(−1/√in, 1/√in), PyTorch's default; batch norm starts as the identity. */
export function initializeHead(sizes: Sizes, classes: number, seed: number): Map<string, Tensor> {
  const shapes = headShapes(sizes, classes);
  return initialize(shapes, seed, (name) => {
    const fanIn = shapes.get(name.replace(/\.bias$/, '.weight'))?.[0];
    return fanIn === undefined || name.includes('.norm.') ? 0 : 1 / Math.sqrt(fanIn);
  });
}

function initialize(shapes: Map<string, number[]>, seed: number, range: (name: string, shape: number[]) => number): Map<string, Tensor> {
  return new Map(
    [...shapes].map(([name, shape]) => {
      if (/\.norm\.(scale|variance)$/.test(name)) return [name, tf.ones(shape)];
      const bound = range(name, shape);
      if (bound === 0) return [name, tf.zeros(shape)];
      const uniform = tf.tidy(() => tf.sub(tf.mul(statelessUniform(shape, siteSeed({ seed, step: -1 }, name)), 2 * bound), bound));
      return [name, uniform as Tensor];
    }),
  );
}
