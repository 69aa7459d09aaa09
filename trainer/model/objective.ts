import { tf, type Scalar, type Tensor } from '../engine/operations.ts';
import type { Task } from './task.ts';

/** What a classifier should answer, one array a document: a 0 or 1 for each label, or the number alone. */
export type Targets = readonly Float32Array[];

/** Mean and standard deviation of the numbers that are learnt: outputs are of mean 0 and deviation 1 while the model is trained. */
export interface Scale {
  readonly mean: number;
  readonly deviation: number;
}

/** How a classifier's outputs are read. */
export interface Answering {
  readonly task: Task;
  /** Logits are divided by it before they become probabilities (Guo et al. 2017); default 1. */
  readonly temperature?: number | undefined;
  /** Bounds of a number: low + (high − low) · sigmoid (fastai's `y_range`). */
  readonly range?: readonly [low: number, high: number] | undefined;
  /** Of a number without bounds, while the model is trained. */
  readonly scale?: Scale | undefined;
}

/** How a classifier learns. */
export interface Objective extends Answering {
  /** What each label weighs in the loss, in the order of the labels; default 1 each. */
  readonly labelWeights?: readonly number[] | undefined;
}

/**
 * What a classifier's training minimizes: the cross-entropy of the right label (nats a document), of each label on its own (nats a label),
 * or the squared error over the variance of the numbers. Weighted labels count as in PyTorch: by their share of the weights
 * (`CrossEntropyLoss`), or where they apply (`BCEWithLogitsLoss`, `pos_weight`).
 *
 * @param logits `[batch, outputs]`
 */
export function objective({ task, labelWeights, ...answering }: Objective, logits: Tensor, targets: Targets): Scalar {
  const wanted = toRows(targets);
  if (task === 'regression') {
    const deviation = answering.scale?.deviation ?? 1;
    return tf.mean(tf.square(tf.div(tf.sub(answersOf({ task, ...answering }, logits), wanted), deviation)));
  }
  const weighted = labelWeights === undefined ? wanted : tf.mul(wanted, tf.tensor1d([...labelWeights]));
  if (task === 'singleLabel') return tf.neg(tf.div(tf.sum(tf.mul(weighted, tf.logSoftmax(logits))), tf.sum(weighted)));
  // log σ(x) = −softplus(−x), and log(1 − σ(x)) = −softplus(x).
  return tf.mean(tf.add(tf.mul(weighted, tf.softplus(tf.neg(logits))), tf.mul(tf.sub(1, wanted), tf.softplus(logits))));
}

/**
 * A classifier's answers: probabilities that sum to 1, a probability of each label on its own, or the number.
 *
 * @param logits `[batch, outputs]`
 * @returns of the same shape
 */
export function answersOf({ task, temperature = 1, range, scale }: Answering, logits: Tensor): Tensor {
  if (task === 'regression') {
    if (range !== undefined) return tf.add(tf.mul(tf.sigmoid(logits), range[1] - range[0]), range[0]);
    return scale === undefined ? logits : tf.add(tf.mul(logits, scale.deviation), scale.mean);
  }
  const tempered = tf.div(logits, temperature);
  return task === 'singleLabel' ? tf.softmax(tempered) : tf.sigmoid(tempered);
}

/** Targets of documents that have one class each. */
export function oneHot(classes: readonly number[], count: number): Float32Array[] {
  return classes.map((wanted) => Float32Array.from({ length: count }, (_, index) => (index === wanted ? 1 : 0)));
}

function toRows(targets: Targets): Tensor {
  const width = targets[0]?.length ?? 0;
  const values = new Float32Array(targets.length * width);
  for (const [row, target] of targets.entries()) values.set(target, row * width);
  return tf.tensor2d(values, [targets.length, width]);
}
