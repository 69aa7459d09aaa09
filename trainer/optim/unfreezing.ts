/** Which layer groups an epoch trains, and at what rate, first group to last; 0 means frozen. */
export type EpochRates = readonly number[];

export interface UnfreezingPlan {
  /** Peak rate of every group when it is trained, first to last. */
  readonly rates: readonly number[];
  readonly epochs: number;
}

/**
 * Gradual unfreezing (Howard & Ruder 2018, section 3.3): the last group alone for the first epoch, one group more with each
 * epoch, then all of them until the end.
 */
export function gradualUnfreezing({ rates, epochs }: UnfreezingPlan): EpochRates[] {
  return Array.from({ length: epochs }, (_, epoch) => rates.map((rate, group) => (group >= rates.length - 1 - epoch ? rate : 0)));
}

/** Every group from the first epoch on. */
export function full({ rates, epochs }: UnfreezingPlan): EpochRates[] {
  return Array.from({ length: epochs }, () => rates);
}

/** The last group alone, to the end (the paper's "Last", table 7). */
export function lastOnly({ rates, epochs }: UnfreezingPlan): EpochRates[] {
  return Array.from({ length: epochs }, () => rates.map((rate, group) => (group === rates.length - 1 ? rate : 0)));
}

/**
 * Chain-thaw (Felbo et al. 2017, as in the paper's table 7): the last group, then each group alone from the first to the last,
 * then all together. One epoch each; the remaining epochs train all.
 */
export function chainThaw({ rates, epochs }: UnfreezingPlan): EpochRates[] {
  const groups = rates.length;
  const single = [groups - 1, ...rates.keys().take(groups - 1)];
  return Array.from({ length: epochs }, (_, epoch) => rates.map((rate, group) => (epoch >= groups || single[epoch] === group ? rate : 0)));
}

/**
 * How a pretrained language model is fine-tuned: one epoch on the last group, whose rows for new words are fresh, then all
 * (fastai's `fine_tune`).
 */
export function lastThenAll({ rates, epochs }: UnfreezingPlan): EpochRates[] {
  return Array.from({ length: epochs }, (_, epoch) =>
    rates.map((rate, group) => (epoch > 0 || epochs === 1 || group === rates.length - 1 ? rate : 0)),
  );
}

export const UNFREEZING = { gradual: gradualUnfreezing, full, last: lastOnly, 'chain-thaw': chainThaw } as const satisfies Record<
  string,
  (plan: UnfreezingPlan) => EpochRates[]
>;

export type UnfreezingName = keyof typeof UNFREEZING;
