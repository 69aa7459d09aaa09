import { tiedCrossEntropy, tiedCrossEntropySum } from '../engine/crossEntropy.ts';
import { tf, type Scalar, type Tensor } from '../engine/operations.ts';
import { awdLstm, parameter, type DropoutMasks, type Encoded, type EncoderState, type Parameters } from './awdLstm.ts';

/** One window of the token stream. */
export interface LanguageModelBatch {
  /** `[time, batch]` int32 */
  readonly ids: Tensor;
  /** The next word of each, `[time, batch]` int32 */
  readonly targets: Tensor;
}

/** Activation and temporal activation regularization (Merity et al. 2017, section 4.6), with that paper's coefficients. */
export interface Regularization {
  readonly alpha: number;
  readonly beta: number;
}
export const REGULARIZATION: Regularization = { alpha: 2, beta: 1 };

/** Losses of one batch, in nats per token. */
export interface LanguageModelLoss {
  /** Cross-entropy plus AR and TAR: what training minimizes. */
  readonly total: Scalar;
  /** Cross-entropy alone: what is reported; e to its power is the perplexity. */
  readonly crossEntropy: Scalar;
  /** Kept tensors, of which the caller disposes. */
  readonly state: EncoderState;
}

/** The training loss of a window, differentiable in every parameter. */
export function languageModelLoss(
  parameters: Parameters,
  batch: LanguageModelBatch,
  state: EncoderState,
  masks: DropoutMasks,
  { alpha, beta }: Regularization = REGULARIZATION,
): LanguageModelLoss {
  const encoded = awdLstm(parameters, batch.ids, state, masks);
  const crossEntropy = tiedCrossEntropy(...decoderArguments(parameters, encoded, batch));
  const activation = tf.mul(alpha, tf.mean(tf.square(encoded.dropped)));
  const [time = 0, ...rest] = encoded.raw.shape;
  const zeros = rest.map(() => 0);
  const later = tf.slice(encoded.raw, [1, ...zeros], [time - 1, ...rest]);
  const earlier = tf.slice(encoded.raw, [0, ...zeros], [time - 1, ...rest]);
  const temporal = time > 1 ? tf.mul(beta, tf.mean(tf.square(tf.sub(later, earlier)))) : tf.scalar(0);
  return { total: tf.addN([crossEntropy, activation, temporal]) as Scalar, crossEntropy, state: encoded.state };
}

/** Cross-entropy of a window without dropout or gradient, summed over its tokens, in nats. */
export function languageModelEntropySum(
  parameters: Parameters,
  batch: LanguageModelBatch,
  state: EncoderState,
): { sum: Scalar; state: EncoderState } {
  const encoded = awdLstm(parameters, batch.ids, state);
  return { sum: tiedCrossEntropySum(...decoderArguments(parameters, encoded, batch)), state: encoded.state };
}

function decoderArguments(parameters: Parameters, { dropped }: Encoded, batch: LanguageModelBatch): [Tensor, Tensor, Tensor, Tensor] {
  const size = dropped.shape.at(-1) ?? 0;
  return [
    tf.reshape(dropped, [-1, size]),
    parameter(parameters, 'embedding.weight'),
    parameter(parameters, 'decoder.bias'),
    tf.reshape(batch.targets, [-1]),
  ];
}
