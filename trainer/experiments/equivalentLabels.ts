import type { Measure } from './measure.ts';

/** A point of a curve: how well a classifier does with so many labels. */
export interface CurvePoint {
  readonly labels: number;
  readonly value: number;
}

/**
 * How many labels from scratch do as well as `labels` labels another way.
 *
 * - `matched`: `fromScratch` labels, `factor` times as many
 * - `beyond`: more than all that were measured, so more than `factor` times as many
 * - `none`: no more than `labels`: the other way brings nothing here
 */
export interface Equivalence {
  readonly kind: 'matched' | 'beyond' | 'none';
  readonly labels: number;
  /** Labels from scratch; of `beyond` the most that were measured, of `none` as many as `labels`. */
  readonly fromScratch: number;
  readonly factor: number;
}

/**
 * How many labels training from scratch needs for what another way reaches with fewer ("with 100 labelled examples, it matches the
 * performance of training from scratch on 100 times more data", Howard & Ruder 2018). Between two measured points the curve is taken as
 * straight over the logarithm of labels; where it goes up and down, its first crossing counts, the cautious one.
 *
 * @param scratch the curve of training from scratch, in any order; it begins with at most as many labels as `reached`
 * @param reached what the other way reaches, and with how many labels
 * @throws RangeError where it begins with more: how many of the fewer labels would do is not known then
 * @example
 * const scratch = [{ labels: 100, value: 0.5 }, { labels: 1000, value: 0.3 }];
 * equivalentLabels(scratch, { labels: 100, value: 0.3 }, 'lower'); // { kind: 'matched', labels: 100, fromScratch: 1000, factor: 10 }
 */
export function equivalentLabels(scratch: readonly CurvePoint[], reached: CurvePoint, better: Measure['better']): Equivalence {
  const { labels } = reached;
  const curve = scratch.toSorted((a, b) => a.labels - b.labels);
  const isAsGood = ({ value }: CurvePoint): boolean => (better === 'lower' ? value <= reached.value : value >= reached.value);
  if ((curve[0]?.labels ?? Infinity) > labels) throw new RangeError(`From scratch, ${labels} labels or fewer were not measured.`);
  const first = curve.findIndex(isAsGood);
  const most = curve.at(-1)?.labels ?? labels;
  if (first < 0) return most > labels ? { kind: 'beyond', labels, fromScratch: most, factor: most / labels } : beyondNothing(labels);
  const crossing = crossingOf(curve[first - 1], curve[first] as CurvePoint, reached.value);
  if (crossing <= labels) return { kind: 'none', labels, fromScratch: labels, factor: 1 };
  return { kind: 'matched', labels, fromScratch: crossing, factor: crossing / labels };
}

/** From scratch was measured with fewer labels alone: more are needed, but how many nobody knows. */
function beyondNothing(labels: number): Equivalence {
  return { kind: 'beyond', labels, fromScratch: labels, factor: 1 };
}

/** Where the line between two points, over the logarithm of labels, has a value; the second point where there is no first. */
function crossingOf(before: CurvePoint | undefined, after: CurvePoint, value: number): number {
  if (before === undefined) return after.labels;
  const share = (value - before.value) / (after.value - before.value);
  return share === 1 ? after.labels : before.labels * (after.labels / before.labels) ** share;
}

/**
 * The equivalence as a sentence.
 *
 * @param way what the labels were used with, such as `supervised ULMFiT`
 */
export function equivalenceSentence(way: string, { kind, labels, fromScratch, factor }: Equivalence): string {
  switch (kind) {
    case 'matched':
      return `${labels} labels with ${way} match ${times(factor)} as many from scratch (about ${rounded(fromScratch)}).`;
    case 'beyond':
      return factor === 1
        ? `${labels} labels with ${way} do better than as many from scratch; more were not measured from scratch.`
        : `${labels} labels with ${way} match more than ${times(factor)} as many from scratch (${fromScratch}, the most measured, do worse).`;
    case 'none':
      return `${labels} labels with ${way} do no better than as many from scratch.`;
  }
}

/** `3.4×`, `12×`. */
function times(factor: number): string {
  return `${factor < 10 ? Number(factor.toFixed(1)) : Math.round(factor)}×`;
}

/** Two digits are as much as an interpolation can say. */
function rounded(labels: number): string {
  return Number(labels.toPrecision(2)).toLocaleString('en');
}
