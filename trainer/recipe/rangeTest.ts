/**
 * The learning-rate range test (Smith 2017, "Cyclical learning rates for training neural networks", section 3.3): the rate rises
 * exponentially from step to step, and the curve of the loss over it tells which rates teach, and from where on they destroy.
 * The numbers are fastai 2.8's (callback/schedule.py, `lr_find`).
 */
import { exponentialRise } from '../optim/schedules.ts';
import type { TrainingTask } from './trainingLoop.ts';

/** What a range test does unless told otherwise: fastai's `lr_find`. */
export const RANGE_TEST = { lowest: 1e-7, highest: 10, steps: 100 } as const;

/** The steps whose rate can be looked for. */
export const RATE_STEPS = ['finetune', 'train'] as const;
export type RateStep = (typeof RATE_STEPS)[number];

/** Which layer groups learn in the test. */
export const RATE_GROUPS = ['all', 'last'] as const;
export type RateGroups = (typeof RATE_GROUPS)[number];

/** Memory of the smoothed loss, an exponential mean corrected for its start (fastai's `AvgSmoothLoss`). */
const LOSS_MEMORY = 0.98;
/** The test ends where the smoothed loss is so many times the least one. */
const DIVERGED = 4;
/** Share of the steps at the beginning, and number of steps at the end, that no suggestion looks at. */
const SKIPPED = { firstShare: 0.1, last: 5 };

/** One step of a range test. */
export interface RangePoint {
  /** Of the last layer group. */
  readonly learningRate: number;
  /** Of the step's batch. */
  readonly loss: number;
  readonly smoothedLoss: number;
}

/** A learning rate by each of three readings of the curve; undefined where it has nothing of that kind. */
export interface RateSuggestions {
  /** In the first half of the longest fall, where the loss falls well and is far from diverging. */
  readonly valley: number | undefined;
  /** A tenth of the rate with the least loss. */
  readonly minimum: number | undefined;
  /** Where the loss falls fastest. */
  readonly steepest: number | undefined;
}

/** How a test ended: at the highest rate, where the loss had multiplied or was no number any more, or because it was told to. */
export type RangeTestEnd = 'completed' | 'diverged' | 'interrupted';

export interface RangeTestCurve {
  readonly points: readonly RangePoint[];
  readonly end: RangeTestEnd;
}

export interface RangeTestControls {
  /** Called where the data are used up and are gone through once more: what a task carries from step to step begins anew. */
  readonly onPass?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?:
    | ((point: RangePoint & { readonly step: number; readonly totalSteps: number; readonly tokens: number }) => void)
    | undefined;
}

/**
 * The rates of a range test, each greater than the one before by the same factor.
 *
 * @example rangeRates({ lowest: 1e-3, highest: 0.1, steps: 3 }).map((rate) => rate.toFixed(3)); // ['0.001', '0.010', '0.100']
 */
export function rangeRates({
  lowest,
  highest,
  steps,
}: {
  readonly lowest: number;
  readonly highest: number;
  readonly steps: number;
}): number[] {
  const rise = exponentialRise({ ratio: highest / lowest });
  return Array.from({ length: steps }, (_, step) => highest * rise(step, steps));
}

/**
 * Trains a task for a step at each rate, from the first epoch's data on, until the loss diverges. What the task has learnt is of no use
 * afterwards.
 *
 * @param task one whose settings have an epoch for every rate, with that rate, and a constant schedule: so each step has its own
 */
export async function runRangeTest<Item>(
  task: Pick<TrainingTask<Item>, 'items' | 'step'>,
  rates: readonly number[],
  { onPass, signal, onStep }: RangeTestControls = {},
): Promise<RangeTestCurve> {
  const points: RangePoint[] = [];
  const smoothed = new SmoothedLoss();
  let least = Number.POSITIVE_INFINITY;
  for (let pass = 0; ; pass++) {
    for (const item of task.items(pass, 0)) {
      const step = points.length;
      if (step === rates.length) return { points, end: 'completed' };
      if (signal?.aborted) return { points, end: 'interrupted' };
      const outcome = task.step(item, { step, epoch: step, stepInEpoch: 0 });
      const loss = outcome.loss.dataSync()[0] ?? Number.NaN;
      outcome.loss.dispose();
      if (!Number.isFinite(loss)) return { points, end: 'diverged' };
      const point = { learningRate: rates[step] as number, loss, smoothedLoss: smoothed.add(loss) };
      points.push(point);
      onStep?.({ ...point, step: step + 1, totalSteps: rates.length, tokens: outcome.tokens });
      least = Math.min(least, point.smoothedLoss);
      if (point.smoothedLoss > DIVERGED * least) return { points, end: 'diverged' };
      await new Promise((resolve) => setImmediate(resolve)); // lets signals and timers through
    }
    if (points.length === 0) throw new Error('There is nothing to train on.');
    onPass?.();
  }
}

class SmoothedLoss {
  #sum = 0;
  #count = 0;

  add(loss: number): number {
    this.#count++;
    this.#sum = LOSS_MEMORY * this.#sum + (1 - LOSS_MEMORY) * loss;
    return this.#sum / (1 - LOSS_MEMORY ** this.#count);
  }
}

/**
 * What a curve suggests. The first tenth of the steps, in which the smoothed loss still finds its level, and the last five do not count.
 *
 * @param steps that the whole test would have had
 */
export function suggestRates(points: readonly RangePoint[], steps: number): RateSuggestions {
  const judged = points.slice(Math.floor(steps * SKIPPED.firstShare), -SKIPPED.last);
  const losses = judged.map(({ smoothedLoss }) => smoothedLoss);
  const rateAt = (index: number | undefined): number | undefined => (index === undefined ? undefined : judged[index]?.learningRate);
  const least = rateAt(minimumOf(losses));
  return {
    valley: rateAt(valleyOf(losses)),
    minimum: least === undefined ? undefined : least / 10,
    steepest: rateAt(
      steepestOf(
        losses,
        judged.map(({ learningRate }) => learningRate),
      ),
    ),
  };
}

/** By how much the smoothed loss falls in the part of a curve that suggestions look at, as a share of its height there. */
export function fallOf(points: readonly RangePoint[], steps: number): number {
  const losses = points.slice(Math.floor(steps * SKIPPED.firstShare), -SKIPPED.last).map(({ smoothedLoss }) => smoothedLoss);
  const [first] = losses;
  return first === undefined || first === 0 ? 0 : (first - Math.min(...losses)) / Math.abs(first);
}

/**
 * The middle of the longest valley, fastai's default: of the longest falling sequence of losses (not every step need belong to it), which ends
 * at some step, the place half-way through the second third of as many steps before it. undefined where no loss is less than one before.
 *
 * @returns an index
 */
export function valleyOf(losses: readonly number[]): number | undefined {
  // lengths[i]: members of the longest falling sequence that ends with losses[i].
  const lengths: number[] = [];
  let end = 0;
  for (const [index, loss] of losses.entries()) {
    let longest = 0;
    for (let before = 0; before < index; before++) {
      if (loss < (losses[before] as number)) longest = Math.max(longest, lengths[before] as number);
    }
    lengths.push(longest + 1);
    if (longest + 1 > (lengths[end] as number)) end = index;
  }
  const length = lengths[end] ?? 0;
  if (length < 2) return undefined;
  return Math.max(0, end - length + Math.floor(length / 3) + Math.floor(length / 6));
}

/** The index of the least loss; undefined where the first is the least. */
export function minimumOf(losses: readonly number[]): number | undefined {
  const index = losses.indexOf(Math.min(...losses));
  return index > 0 ? index : undefined;
}

/** The index from which the loss falls fastest over the logarithm of the rate; undefined where it falls nowhere. */
export function steepestOf(losses: readonly number[], rates: readonly number[]): number | undefined {
  const slopes = losses
    .slice(1)
    .map((loss, index) => (loss - (losses[index] as number)) / Math.log((rates[index + 1] as number) / (rates[index] as number)));
  const steepest = Math.min(...slopes);
  return steepest < 0 ? slopes.indexOf(steepest) : undefined;
}
