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

/** Chain-thaw's rates as shares of the peak rate .01: .001 for the last group, .0001 for the rest (Felbo et al. 2017). */
const CHAIN_THAW = { last: 0.1, others: 0.01 };

/**
 * Chain-thaw (Felbo et al. 2017, as in the paper's table 7): the last group, then each group alone from the first to the last,
 * then all together. One epoch each; the remaining epochs train all. It has rates of its own: a tenth of the last group's rate for that
 * group, a hundredth for all others.
 */
export function chainThaw({ rates, epochs }: UnfreezingPlan): EpochRates[] {
  const groups = rates.length;
  const peak = rates.at(-1) ?? 0;
  const own = rates.map((_, group) => peak * (group === groups - 1 ? CHAIN_THAW.last : CHAIN_THAW.others));
  const single = [groups - 1, ...rates.keys().take(groups - 1)];
  return Array.from({ length: epochs }, (_, epoch) => own.map((rate, group) => (epoch >= groups || single[epoch] === group ? rate : 0)));
}

/** How many groups fastai's tutorial trains in each of its stages, and at which share of the first stage's rate. */
const STAGES = [
  { groups: 1, share: 1 },
  { groups: 2, share: 1 / 2 },
  { groups: 3, share: 1 / 4 },
] as const;
const LAST_STAGE_SHARE = 1 / 20;

/**
 * Gradual unfreezing as in fastai 2's text tutorial: the last group, the last two, the last three, one epoch each, then all; each stage at a
 * lower rate than the one before (there .02, .01, .005, .001).
 */
export function staged({ rates, epochs }: UnfreezingPlan): EpochRates[] {
  return Array.from({ length: epochs }, (_, epoch) => {
    const { groups, share } = STAGES[epoch] ?? { groups: rates.length, share: LAST_STAGE_SHARE };
    return rates.map((rate, group) => (group >= rates.length - groups ? rate * share : 0));
  });
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

/**
 * How fastai 2's text tutorial fine-tunes a language model: one epoch on the last group at ten times the rate, then all
 * (there 1e-2 and 1e-3).
 */
export function lastFasterThenAll({ rates, epochs }: UnfreezingPlan): EpochRates[] {
  return lastThenAll({ rates, epochs }).map((epoch, index) => (index === 0 && epochs > 1 ? epoch.map((rate) => rate * 10) : epoch));
}

type Plan = (plan: UnfreezingPlan) => EpochRates[];

/** Ways to train a classifier. */
export const UNFREEZING = { gradual: gradualUnfreezing, full, last: lastOnly, 'chain-thaw': chainThaw, staged } as const satisfies Record<
  string,
  Plan
>;
export type UnfreezingName = keyof typeof UNFREEZING;

/** Ways to fine-tune a language model. */
export const LANGUAGE_MODEL_UNFREEZING = {
  'last-then-all': lastThenAll,
  staged: lastFasterThenAll,
  full,
  last: lastOnly,
  gradual: gradualUnfreezing,
} as const satisfies Record<string, Plan>;
export type LanguageModelUnfreezingName = keyof typeof LANGUAGE_MODEL_UNFREEZING;
