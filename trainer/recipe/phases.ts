import type { EpochRates } from '../optim/unfreezing.ts';
import type { Schedule } from '../optim/schedules.ts';

/**
 * Learning rates of every step of a run. Epochs that train the same groups form a phase, and each phase runs through the whole
 * schedule once, as in the released ULMFiT scripts (one `fit` call for each stage of unfreezing).
 */
export class RatePlan {
  readonly #epochs: readonly EpochRates[];
  readonly #stepsPerEpoch: readonly number[];
  readonly #schedule: Schedule;
  readonly #beta1: Schedule | undefined;

  /** @param beta1 Adam's beta1 over a phase, where it moves */
  constructor(epochs: readonly EpochRates[], stepsPerEpoch: readonly number[], schedule: Schedule, beta1?: Schedule) {
    this.#epochs = epochs;
    this.#stepsPerEpoch = stepsPerEpoch;
    this.#schedule = schedule;
    this.#beta1 = beta1;
  }

  /** Rates of the layer groups at one step of an epoch, first group to last; 0 means frozen. */
  at(epoch: number, stepInEpoch: number): number[] {
    const factor = this.#schedule(...this.#placeInPhase(epoch, stepInEpoch));
    return (this.#epochs[epoch] ?? []).map((rate) => rate * factor);
  }

  /** Adam's beta1 at one step of an epoch; undefined where it is always the same. */
  beta1At(epoch: number, stepInEpoch: number): number | undefined {
    return this.#beta1?.(...this.#placeInPhase(epoch, stepInEpoch));
  }

  /** The step within its phase, and the steps of that phase. */
  #placeInPhase(epoch: number, stepInEpoch: number): [step: number, total: number] {
    const rates = this.#epochs[epoch] ?? [];
    const same = (other: EpochRates | undefined) => other !== undefined && other.every((rate, group) => rate === rates[group]);
    let first = epoch;
    while (first > 0 && same(this.#epochs[first - 1])) first--;
    let end = epoch + 1;
    while (end < this.#epochs.length && same(this.#epochs[end])) end++;
    const steps = (from: number, to: number) => this.#stepsPerEpoch.slice(from, to).reduce((sum, count) => sum + count, 0);
    return [steps(first, epoch) + stepInEpoch, steps(first, end)];
  }
}

/** Spreads the rates of layer groups over the tensors in them. */
export function tensorRates(groups: readonly (readonly string[])[], rates: readonly number[]): Map<string, number> {
  return new Map(groups.flatMap((names, group) => names.map((name) => [name, rates[group] ?? 0] as const)));
}
