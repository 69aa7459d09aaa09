/**
 * Learning-rate schedules as pure functions of the step: they give the factor by which every group's peak rate is multiplied.
 * Steps count from 0 to `total - 1`.
 */
export type Schedule = (step: number, total: number) => number;

export interface SlantedTriangularOptions {
  /** Share of the steps in which the rate rises. */
  readonly cutFraction?: number;
  /** How much smaller the lowest rate is than the highest. */
  readonly ratio?: number;
}

/**
 * Slanted triangular rates: a short rise, a long fall (Howard & Ruder 2018, equation 3).
 *
 * @example
 * const schedule = slantedTriangular();
 * schedule(100, 1000); // 1: the peak, after 10 % of the steps
 */
export function slantedTriangular({ cutFraction = 0.1, ratio = 32 }: SlantedTriangularOptions = {}): Schedule {
  return (step, total) => {
    const cut = Math.floor(total * cutFraction);
    // With fewer than 1 / cutFraction steps there is no room to rise: the fall is the whole schedule.
    const p = step < cut ? step / cut : 1 - (step - cut) / (cut > 0 ? cut * (1 / cutFraction - 1) : total);
    return (1 + Math.max(0, p) * (ratio - 1)) / ratio;
  };
}

/** The same rate at every step. */
export function constant(): Schedule {
  return () => 1;
}

/** Half a cosine from 1 down to 0. */
export function cosine(): Schedule {
  return (step, total) => (1 + Math.cos((Math.PI * step) / total)) / 2;
}

export interface OneCycleOptions {
  /** Share of the steps in which the rate rises (fastai's `pct_start`). */
  readonly warmFraction?: number;
  /** Peak over starting rate (fastai's `div`). */
  readonly startRatio?: number;
  /** Peak over final rate (fastai's `div_final`). */
  readonly finalRatio?: number;
}

/** One cycle: a cosine up to the peak, a cosine down almost to nothing (fastai's `fit_one_cycle`; Smith 2018). */
export function oneCycle({ warmFraction = 0.25, startRatio = 25, finalRatio = 1e5 }: OneCycleOptions = {}): Schedule {
  return (step, total) => {
    const position = step / total;
    if (position < warmFraction) return cosineBetween(1 / startRatio, 1, position / warmFraction);
    return cosineBetween(1, 1 / finalRatio, (position - warmFraction) / (1 - warmFraction));
  };
}

export interface CycledMomentumOptions {
  readonly high?: number;
  readonly low?: number;
  readonly warmFraction?: number;
}

/**
 * Adam's beta1 under one cycle: down by a cosine while the rate rises, up again while it falls (fastai's `fit_one_cycle` with the `moms` of its
 * text learners, .8 → .7 → .8).
 */
export function cycledMomentum({ high = 0.8, low = 0.7, warmFraction = 0.25 }: CycledMomentumOptions = {}): Schedule {
  return (step, total) => {
    const position = step / total;
    if (position < warmFraction) return cosineBetween(high, low, position / warmFraction);
    return cosineBetween(low, high, (position - warmFraction) / (1 - warmFraction));
  };
}

/**
 * A rate that grows by the same factor with every step, from almost nothing to the peak: the learning-rate range test (Smith 2017,
 * section 3.3; fastai's `lr_find`).
 */
export function exponentialRise({ ratio = 1e8 }: { readonly ratio?: number } = {}): Schedule {
  return (step, total) => ratio ** (total > 1 ? step / (total - 1) - 1 : 0);
}

function cosineBetween(from: number, to: number, position: number): number {
  return from + ((to - from) * (1 - Math.cos(Math.PI * position))) / 2;
}

export interface TrapezoidalOptions {
  /** Steps of linear rise. */
  readonly warmSteps?: number;
  /** Share of the steps in which the rate falls, linearly, at the end. */
  readonly coolFraction?: number;
}

/**
 * Rise, plateau, fall (the warmup-stable-decay schedule; Hu et al. 2024, section 4). A run that stands on the plateau can be made
 * longer without being planned anew, which suits pretraining that goes on as long as there is time.
 */
export function trapezoidal({ warmSteps = 300, coolFraction = 0.2 }: TrapezoidalOptions = {}): Schedule {
  return (step, total) => Math.min(1, (step + 1) / warmSteps, (total - step) / (total * coolFraction));
}

export const SCHEDULES = {
  'slanted-triangular': slantedTriangular,
  'one-cycle': oneCycle,
  constant,
  trapezoidal,
  cosine,
} as const satisfies Record<string, () => Schedule>;

export type ScheduleName = keyof typeof SCHEDULES;
