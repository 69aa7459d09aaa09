import { tf, type Tensor } from '../engine/operations.ts';
import { dropoutMask, type DrawKey } from '../engine/random.ts';
import { parameter, type Parameters } from './awdLstm.ts';

/** Added to a variance before its root is taken; PyTorch's default. */
const EPSILON = 1e-5;
/** Weight of a new batch in the running statistics; PyTorch's default. */
const MOMENTUM = 0.1;
/** Dropout of the head's second block (fastai's `PoolingLinearClassifier`, `ps`). */
const SECOND_DROPOUT = 0.1;

/** How the head runs in training; without it, running statistics are used and nothing is dropped. */
export interface HeadTraining {
  /** Dropout before the first linear layer: the encoder's output dropout. */
  readonly dropout: number;
  readonly secondDropout?: number;
  readonly key: DrawKey;
}

/**
 * The classifier's head: twice batch norm, dropout and a linear layer, with a ReLU between (Howard & Ruder 2018, section 3.3;
 * fastai's `PoolingLinearClassifier`).
 *
 * @param pooled `[batch, 3 * embedding]`
 * @returns `logits` `[batch, classes]`; in training also the new running `statistics` by name
 */
export function head(parameters: Parameters, pooled: Tensor, training?: HeadTraining): { logits: Tensor; statistics: Map<string, Tensor> } {
  const statistics = new Map<string, Tensor>();
  const dropouts = [training?.dropout ?? 0, training?.secondDropout ?? SECOND_DROPOUT];
  let x = pooled;
  for (const [block, probability] of dropouts.entries()) {
    if (block > 0) x = tf.relu(x);
    x = batchNorm(parameters, `head.${block}.norm`, x, training === undefined ? undefined : statistics);
    if (training !== undefined && probability > 0) {
      x = tf.mul(x, dropoutMask(x.shape, probability, training.key, `head.${block}`));
    }
    x = tf.add(tf.matMul(x, parameter(parameters, `head.${block}.weight`)), parameter(parameters, `head.${block}.bias`));
  }
  return { logits: x, statistics };
}

/** Batch norm over the documents of a batch. In training it normalizes by the batch and writes new running statistics. */
function batchNorm(parameters: Parameters, name: string, x: Tensor, statistics: Map<string, Tensor> | undefined): Tensor {
  const scale = parameter(parameters, `${name}.scale`);
  const shift = parameter(parameters, `${name}.shift`);
  let mean = parameter(parameters, `${name}.mean`);
  let variance = parameter(parameters, `${name}.variance`);
  if (statistics !== undefined) {
    const [rows = 0] = x.shape;
    const ofBatch = tf.moments(x, 0);
    // PyTorch keeps the unbiased variance but normalizes with the biased one.
    const unbiased = tf.mul(ofBatch.variance, rows / Math.max(1, rows - 1));
    statistics.set(`${name}.mean`, tf.keep(moved(mean, ofBatch.mean)));
    statistics.set(`${name}.variance`, tf.keep(moved(variance, unbiased)));
    ({ mean, variance } = ofBatch);
  }
  return tf.add(tf.mul(tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, EPSILON))), scale), shift);
}

function moved(running: Tensor, batch: Tensor): Tensor {
  return tf.add(tf.mul(running, 1 - MOMENTUM), tf.mul(batch, MOMENTUM));
}
