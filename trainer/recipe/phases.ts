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

  constructor(epochs: readonly EpochRates[], stepsPerEpoch: readonly number[], schedule: Schedule) {
    this.#epochs = epochs;
    this.#stepsPerEpoch = stepsPerEpoch;
    this.#schedule = schedule;
  }

  /** Rates of the layer groups at one step of an epoch, first group to last; 0 means frozen. */
  at(epoch: number, stepInEpoch: number): number[] {
    const rates = this.#epochs[epoch] ?? [];
    const same = (other: EpochRates | undefined) => other !== undefined && other.every((rate, group) => rate === rates[group]);
    let first = epoch;
    while (first > 0 && same(this.#epochs[first - 1])) first--;
    let end = epoch + 1;
    while (end < this.#epochs.length && same(this.#epochs[end])) end++;
    const steps = (from: number, to: number) => this.#stepsPerEpoch.slice(from, to).reduce((sum, count) => sum + count, 0);
    const factor = this.#schedule(steps(first, epoch) + stepInEpoch, steps(first, end));
    return rates.map((rate) => rate * factor);
  }
}

/** Spreads the rates of layer groups over the tensors in them. */
export function tensorRates(groups: readonly (readonly string[])[], rates: readonly number[]): Map<string, number> {
  return new Map(groups.flatMap((names, group) => names.map((name) => [name, rates[group] ?? 0] as const)));
}
