import { allFinite, LossScale } from '../engine/lossScale.ts';
import { tf, type Scalar, type Tensor } from '../engine/operations.ts';
import { currentPrecision } from '../engine/precision.ts';
import { ADAM, adamUpdate, initialMoments, type AdamMoments, type AdamOptions } from './adam.ts';
import { movedAverage, sgdUpdate } from './averagedSgd.ts';
import { clipFactor } from './clip.ts';
import type { OptimizerName } from './rules.ts';

/** Tensors that training changes step by step, in place or by another tensor. Kept: the owner disposes of them. */
export type TrainedParameters = Map<string, Tensor>;

export interface OptimizerOptions extends AdamOptions {
  /** The rule by which parameters are updated. */
  readonly rule: OptimizerName;
  /** Largest joint L2 norm of the gradients; 0 clips nothing. */
  readonly clip: number;
}

/** The mean of a tensor's values since averaging began. */
export interface Average {
  readonly mean: Tensor;
  /** Values in it. */
  readonly count: number;
}

/**
 * Updates named tensors step by step: gradient, clipping, update. In fp16 the loss is scaled before it is differentiated, and a step whose
 * gradients have overflowed changes nothing but the scale.
 */
export class Optimizer {
  readonly moments = new Map<string, AdamMoments>();
  /** By tensor; undefined until averaging begins. */
  averages: Map<string, Average> | undefined;
  readonly parameters: TrainedParameters;
  readonly options: OptimizerOptions;
  /** In fp16 alone. */
  readonly lossScale: LossScale | undefined = currentPrecision() === 'fp16' ? new LossScale() : undefined;

  constructor(parameters: TrainedParameters, options: Partial<OptimizerOptions> = {}) {
    this.parameters = parameters;
    this.options = { ...ADAM, clip: 0, rule: 'adam', ...options };
    for (const tensor of parameters.values()) tf.keep(tensor);
  }

  /**
   * One step: the gradient of `loss` in every tensor that has a rate, clipped together, then the update.
   *
   * @param rates learning rate by tensor name; what is missing or 0 stays as it is
   * @param loss computes the scalar to minimize from the current parameters
   * @param beta1 of this step, where Adam's is not always the same
   */
  step(rates: ReadonlyMap<string, number>, loss: () => Scalar, beta1 = this.options.beta1): void {
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
      if (gradient === undefined) continue;
      const rate = rates.get(name) ?? 0;
      if (this.options.rule === 'adam') this.#adam(name, gradient, rate, { ...this.options, beta1 }, factor, finite);
      else this.#sgd(name, gradient, rate, factor);
    }
    if (finite !== undefined) scaling?.advance(finite);
    tf.dispose([...grads, factor, inverse, finite].filter((tensor) => tensor !== undefined));
  }

  /** From now on the values of every tensor are averaged (Merity et al. 2017, algorithm 1: T). */
  beginAveraging(): void {
    this.averages ??= new Map();
  }

  /** What has been learnt: the averages where there are any, otherwise the parameters as they are. */
  learnt(): Map<string, Tensor> {
    return new Map([...this.parameters].map(([name, tensor]) => [name, this.averages?.get(name)?.mean ?? tensor]));
  }

  #adam(name: string, gradient: Tensor, rate: number, options: AdamOptions, factor: Scalar, finite: Tensor | undefined): void {
    const parameter = this.parameters.get(name) as Tensor;
    const moments = this.moments.get(name) ?? initialMoments(parameter);
    const next = adamUpdate(parameter, gradient, moments, rate, options, factor, finite);
    this.parameters.set(name, next.parameter);
    this.moments.set(name, next.moments);
  }

  #sgd(name: string, gradient: Tensor, rate: number, factor: Scalar): void {
    const next = sgdUpdate(this.parameters.get(name) as Tensor, gradient, rate, this.options.weightDecay, factor);
    this.parameters.set(name, next);
    if (this.averages === undefined) return;
    const before = this.averages.get(name);
    const count = (before?.count ?? 0) + 1;
    this.averages.set(name, { mean: movedAverage(before?.mean, next, count), count });
  }

  dispose(): void {
    this.forget();
    this.lossScale?.dispose();
  }

  /** Drops all moments and averages. */
  forget(): void {
    for (const { first, second } of this.moments.values()) tf.dispose([first, second]);
    this.moments.clear();
    for (const { mean } of this.averages?.values() ?? []) mean.dispose();
    this.averages = undefined;
  }
}
