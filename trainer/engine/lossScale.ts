import { tf, type Scalar, type Tensor } from './operations.ts';

/**
 * How the scale moves (Micikevicius et al. 2018, section 3.2; the numbers are those of PyTorch's `torch.amp.GradScaler`, which doubles
 * after 2,000 good steps and halves at an overflow). Powers of two: scaling by them rounds nothing.
 */
export const LOSS_SCALE = { initial: 2 ** 16, growAfter: 2000, smallest: 1, largest: 2 ** 24 } as const;

/** The scale, and how many steps have been good since it last changed: both on the device, as kept scalars. */
export interface LossScaleState {
  readonly scale: Scalar;
  readonly goodSteps: Scalar;
}

/**
 * Loss scaling for fp16, whose smallest numbers are too large for many gradients. The loss is multiplied before differentiation and the
 * gradients are divided afterwards; a step whose gradients have overflowed changes nothing but the scale. Everything stays on the
 * device: no step waits for an answer.
 *
 * @example
 * const { value, grads } = tf.valueAndGrads(() => scaling.scaled(loss()))(tensors);
 * const finite = allFinite(grads);
 * // … update with gradients times scaling.inverse(), and keep `where(finite, updated, old)` …
 * scaling.advance(finite);
 */
export class LossScale {
  #state: LossScaleState;

  constructor(initial: number = LOSS_SCALE.initial) {
    this.#state = keepState(tf.scalar(initial), tf.scalar(0));
  }

  /** The loss to differentiate. */
  scaled(loss: Scalar): Scalar {
    return tf.mul(loss, this.#state.scale);
  }

  /** What brings scaled gradients back: a factor. */
  inverse(): Scalar {
    return tf.div(1, this.#state.scale);
  }

  /** Moves on after a step. */
  advance(finite: Tensor): void {
    const next = tf.tidy(() => {
      const { scale, goodSteps } = nextScale(this.#state, finite);
      return [tf.keep(scale), tf.keep(goodSteps)] as [Scalar, Scalar];
    });
    this.dispose();
    this.#state = { scale: next[0], goodSteps: next[1] };
  }

  /** For a checkpoint. */
  tensors(): Map<string, Tensor> {
    return new Map([
      ['lossScale.scale', this.#state.scale],
      ['lossScale.goodSteps', this.#state.goodSteps],
    ]);
  }

  /** Takes back what {@link tensors} gave, and owns it from then on. A checkpoint of another precision has none of it: then the scale stays. */
  restore(tensors: ReadonlyMap<string, Tensor>): void {
    const [scale, goodSteps] = [tensors.get('lossScale.scale'), tensors.get('lossScale.goodSteps')];
    if (scale === undefined || goodSteps === undefined) return;
    this.dispose();
    this.#state = keepState(scale as Scalar, goodSteps as Scalar);
  }

  dispose(): void {
    tf.dispose([this.#state.scale, this.#state.goodSteps]);
  }
}

/** The state after a step. Pure. */
export function nextScale({ scale, goodSteps }: LossScaleState, finite: Tensor): LossScaleState {
  return tf.tidy(() => {
    const counted = tf.add(goodSteps, 1);
    const grows = tf.greaterEqual(counted, LOSS_SCALE.growAfter);
    const afterGood = tf.where(grows, tf.minimum(tf.mul(scale, 2), LOSS_SCALE.largest), scale);
    const afterOverflow = tf.maximum(tf.div(scale, 2), LOSS_SCALE.smallest);
    const stillCounted = tf.where(grows, tf.scalar(0), counted);
    return { scale: tf.where(finite, afterGood, afterOverflow), goodSteps: tf.where(finite, stillCounted, tf.scalar(0)) } as {
      scale: Scalar;
      goodSteps: Scalar;
    };
  });
}

/** Whether no gradient holds an infinity or a NaN, as a scalar on the device: a sum with one of them is one of them. */
export function allFinite(gradients: readonly Tensor[]): Tensor {
  return tf.tidy(() => tf.isFinite(tf.addN(gradients.map((gradient) => tf.sum(gradient)))));
}

/** `updated` after a good step, `old` after an overflow. */
export function whereFinite(finite: Tensor, updated: Tensor, old: Tensor): Tensor {
  return tf.where(finite, updated, old);
}

function keepState(scale: Scalar, goodSteps: Scalar): LossScaleState {
  return { scale: tf.keep(scale), goodSteps: tf.keep(goodSteps) };
}
