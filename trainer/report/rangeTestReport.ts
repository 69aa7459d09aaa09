/** A learning-rate range test to look at: in the terminal and as a picture. */
import { basename } from 'node:path';

import type { FoundRates } from '../api/findRate.ts';
import { DISCRIMINATIVE_FACTOR } from '../optim/discriminative.ts';
import type { RangePoint } from '../recipe/rangeTest.ts';
import type { Figure, Series } from './chart.ts';
import { aligned } from './tables.ts';

/** Rows of the terminal's curve, and the width of its longest bar. */
const ROWS = 24;
const BAR = 40;
/** The last steps of a test that diverged would make everything before them flat (fastai's `plot_lr_find`). */
const SKIPPED_AT_END = 5;
/** Where the loss falls by less, noise decides. */
const LITTLE_FALL = 0.02;

/** A learning rate in two figures, such as `1.4e-3`. */
export function rateText(rate: number): string {
  return rate.toExponential(1);
}

const WORDS = { valley: 'valley', minimum: 'minimum ÷ 10', steepest: 'steepest fall' } as const;

/** The suggestions that there are, with the names that people read. */
function namedSuggestions({ suggestions }: FoundRates): { readonly name: string; readonly rate: number }[] {
  return (['valley', 'minimum', 'steepest'] as const).flatMap((key) => {
    const rate = suggestions[key];
    return rate === undefined ? [] : [{ name: WORDS[key], rate }];
  });
}

/** The curve as a column of bars, and the suggestions below it. */
export function rangeTestText(found: FoundRates): string {
  const { points, suggestions } = found;
  const shown = shownPoints(points);
  const every = Math.max(1, Math.ceil(shown.length / ROWS));
  const rows = shown.filter((_, index) => index % every === 0);
  const losses = rows.map(({ smoothedLoss }) => smoothedLoss);
  const [least, greatest] = [Math.min(...losses), Math.max(...losses)];
  // The bars begin a little below the least loss: what matters is where the curve falls and rises.
  const length = (loss: number): number => 1 + Math.round(((BAR - 1) * (loss - least)) / (greatest - least || 1));
  const isSuggested = (row: number): boolean => {
    const [from, to] = [rows[row]?.learningRate ?? 0, rows[row + 1]?.learningRate ?? Number.POSITIVE_INFINITY];
    return suggestions.valley !== undefined && suggestions.valley >= from && suggestions.valley < to;
  };
  const curve = rows.map(({ learningRate, smoothedLoss }, row) => {
    const bar = '█'.repeat(length(smoothedLoss));
    return `${rateText(learningRate).padEnd(8)}  ${smoothedLoss.toFixed(4).padStart(9)}  ${bar}${isSuggested(row) ? ' ◀ valley' : ''}`;
  });
  const named = namedSuggestions(found).map(({ name, rate }) => [name, rateText(rate)]);
  const below = named.length > 0 ? aligned(named) : 'No rate is suggested.';
  return [`${'rate'.padEnd(8)}  ${'loss'.padStart(9)}`, ...curve, '', below].join('\n');
}

/** What must be known beside the figures; undefined where all is well. */
export function rangeTestWarning({ points, fall, suggestions }: FoundRates): string | undefined {
  if (points.length <= SKIPPED_AT_END) return 'The loss was no number almost from the beginning. Try a lower --lowest.';
  if (suggestions.valley === undefined) return 'The loss falls at none of these rates. Is this the right data, and are its labels right?';
  if (fall < LITTLE_FALL)
    return `The loss falls by only ${(100 * fall).toFixed(1)} %, so the suggestions are little better than guesses. More steps, or larger batches, say more.`;
  return undefined;
}

/** Which layer groups learnt, in words. */
export function groupsText({ groups, discriminative, step }: FoundRates): string {
  if (groups === 'last') return step === 'train' ? 'the head alone learns' : 'the embedding and the decoder alone learn';
  return discriminative
    ? `all layer groups learn, each ${DISCRIMINATIVE_FACTOR} times slower than the one after it`
    : 'all layer groups learn at one rate';
}

function groupsInShort({ groups, discriminative }: FoundRates): string {
  if (groups === 'last') return 'last layer group alone';
  return discriminative ? `rates of layer groups ${DISCRIMINATIVE_FACTOR} times apart` : 'one rate for all layer groups';
}

/**
 * The same as a picture, with the valley marked.
 *
 * @param data the path of what the test was done with
 */
export function rangeTestFigure(found: FoundRates, data: string): Figure {
  const shown = shownPoints(found.points);
  const smoothed = shown.map(({ learningRate, smoothedLoss }) => ({ x: learningRate, y: smoothedLoss }));
  const heights = smoothed.map(({ y }) => y);
  const [low, high] = [Math.min(...heights), Math.max(...heights)];
  const margin = (high - low) / 4 || 1;
  // Single batches lie anywhere; those far outside would only press the curve flat.
  const batches = shown
    .map(({ learningRate, loss }) => ({ x: learningRate, y: loss }))
    .filter(({ y }) => y >= low - margin && y <= high + margin);
  const { valley } = found.suggestions;
  const told = namedSuggestions(found)
    .map(({ name, rate }) => `${name} ${rateText(rate)}`)
    .join(', ');
  return {
    title: `Learning rates for the ${found.step === 'train' ? 'classifier' : 'language model'}`,
    subtitle: told === '' ? 'No rate is suggested: the loss falls nowhere.' : told,
    charts: [
      {
        title: `${basename(data)}, ${groupsInShort(found)}`,
        x: { label: 'learning rate of the last layer group', scale: 'log' },
        y: { label: 'loss', fromZero: false },
        marks: false,
        series: [
          { name: 'smoothed loss', points: smoothed },
          { name: 'loss of each batch', points: batches, look: 'points' },
          ...(valley === undefined ? [] : [upright('valley', valley, [low, high])]),
        ],
      },
    ],
  };
}

/** An upright line. */
function upright(name: string, x: number, heights: readonly number[]): Series {
  return { name, look: 'dashed', points: heights.map((y) => ({ x, y })) };
}

/**
 * What is worth looking at of a curve: not its end, and of the rise behind the least loss only as much as the curve fell before, because a
 * diverging loss would press everything else flat.
 */
function shownPoints(points: readonly RangePoint[]): readonly RangePoint[] {
  const judged = points.length > 2 * SKIPPED_AT_END ? points.slice(0, -SKIPPED_AT_END) : points;
  const losses = judged.map(({ smoothedLoss }) => smoothedLoss);
  const least = losses.indexOf(Math.min(...losses));
  const highest = Math.max(...losses.slice(0, least + 1));
  const ceiling = highest + (highest - (losses[least] ?? highest));
  const end = losses.findIndex((loss, index) => index > least && loss > ceiling);
  // Where the loss never fell, there is nothing that a rise could hide.
  return end < 0 || least === 0 ? judged : judged.slice(0, end);
}
