import { allFinite, LossScale } from '../engine/lossScale.ts';
import { tf, type Scalar, type Tensor } from '../engine/operations.ts';
import { currentPrecision } from '../engine/precision.ts';
import { ADAM, adamUpdate, initialMoments, type AdamMoments, type AdamOptions } from './adam.ts';
import { clipFactor } from './clip.ts';

/** Tensors that training changes step by step, in place or by another tensor. Kept: the owner disposes of them. */
export type TrainedParameters = Map<string, Tensor>;

export interface OptimizerOptions extends AdamOptions {
  /** Largest joint L2 norm of the gradients; 0 clips nothing. */
  readonly clip: number;
}

/**
 * Adam over named tensors: gradient, clipping, update. In fp16 the loss is scaled before it is differentiated, and a step whose gradients
 * have overflowed changes nothing but the scale.
 */
export class Optimizer {
  readonly moments = new Map<string, AdamMoments>();
  readonly parameters: TrainedParameters;
  readonly options: OptimizerOptions;
  /** In fp16 alone. */
  readonly lossScale: LossScale | undefined = currentPrecision() === 'fp16' ? new LossScale() : undefined;

  constructor(parameters: TrainedParameters, options: Partial<OptimizerOptions> = {}) {
    this.parameters = parameters;
    this.options = { ...ADAM, clip: 0, ...options };
    for (const tensor of parameters.values()) tf.keep(tensor);
  }

  /**
   * One step: the gradient of `loss` in every tensor that has a rate, clipped together, then Adam.
   *
   * @param rates learning rate by tensor name; what is missing or 0 stays as it is
   * @param loss computes the scalar to minimize from the current parameters
   */
  step(rates: ReadonlyMap<string, number>, loss: () => Scalar): void {
    const names = [...rates].filter(([name, rate]) => rate > 0 && this.parameters.has(name)).map(([name]) => name);
    const tensors = names.map((name) => this.parameters.get(name) as Tensor);
    const scaling = this.lossScale;
    const { value, grads } = tf.valueAndGrads(() => (scaling === undefined ? loss() : scaling.scaled(loss())))(tensors);
    value.dispose();
    const inverse = scaling?.inverse();
    const finite = scaling && allFinite(grads);
    const factor = this.options.clip > 0 ? clipFactor(grads, this.options.clip, inverse) : (inverse?.clone() ?? tf.scalar(1));
    for (const [index, name] of names.entries()) {
      const gradient = grads[index];
      if (gradient !== undefined) this.#update(name, gradient, rates.get(name) ?? 0, factor, finite);
    }
    if (finite !== undefined) scaling?.advance(finite);
    tf.dispose([...grads, factor, inverse, finite].filter((tensor) => tensor !== undefined));
  }

  #update(name: string, gradient: Tensor, rate: number, factor: Scalar, finite: Tensor | undefined): void {
    const parameter = this.parameters.get(name) as Tensor;
    const moments = this.moments.get(name) ?? initialMoments(parameter);
    const next = adamUpdate(parameter, gradient, moments, rate, this.options, factor, finite);
    this.parameters.set(name, next.parameter);
    this.moments.set(name, next.moments);
  }

  dispose(): void {
    this.forget();
    this.lossScale?.dispose();
  }

  /** Drops all moments. */
  forget(): void {
    for (const { first, second } of this.moments.values()) tf.dispose([first, second]);
    this.moments.clear();
  }
}
