import type { Figure, Point, Series } from './chart.ts';
import type { RunRecord } from './runRecord.ts';
import { inWords } from './words.ts';

/** A chart of a run, with what a reader must know of it. */
export interface Curve {
  readonly title: string;
  readonly explanation: string;
  readonly figure: Figure;
}

/** Points of a line at most: a picture has no room for more, and a page should stay small. */
const MOST_POINTS = 400;

/** Steps over which the loss is smoothed at least: fastai's memory of 0.98 a step. */
const LEAST_SPAN = 50;

/** A line of fewer points is not smoothed. */
const SHORT_LINE = 20;

/** Points from which on a line is long enough to do without its beginning. */
const LONG_LINE = 50;

/** Measurements that are shares, for which more is better. */
const SHARES = ['accuracy', 'microF1', 'macroF1', 'exactMatch'];

/** The charts of a run: loss, what is measured after each epoch, learning rate and speed, as far as they are known. */
export function runCurves(run: RunRecord): Curve[] {
  return [lossCurve(run), perplexityCurve(run), sharesCurve(run), rateCurve(run), speedCurve(run)].filter((curve) => curve !== undefined);
}

function lossCurve({ training, measured, config }: RunRecord): Curve | undefined {
  const losses = training.flatMap(({ step, loss }) => (typeof loss === 'number' ? [{ x: step, y: loss }] : []));
  const heldOut = pointsOf(measured, 'validationLoss');
  if (losses.length + heldOut.length === 0) return undefined;
  const isShort = losses.length < SHORT_LINE;
  const span = isShort ? 1 : Math.max(LEAST_SPAN, Math.round((losses.at(-1)?.x ?? 0) / 50));
  const line = smoothed(losses, span);
  const top = topOf(line);
  const below = (points: readonly Point[]) => thinned(points.filter(({ y }) => y <= top));
  const lines: Series[] = [
    { name: 'training', points: below(line).map(({ x, y }) => ({ x, y })) },
    ...(isShort ? [] : [{ name: 'training, unsmoothed', look: 'pale', colourOf: 'training', points: below(losses) } as const]),
  ];
  const series = [...(losses.length > 0 ? lines : []), ...(heldOut.length > 0 ? [{ name: 'held out', points: thinned(heldOut) }] : [])];
  const every = (losses[1]?.x ?? 0) - (losses[0]?.x ?? 0) || 1;
  const what = config['task'] === 'regression' ? 'Squared error over the variance of the numbers' : 'Cross-entropy, nats';
  const sentences = [
    isShort
      ? `${what}: means of ${every} steps.`
      : `${what}. The strong line is training, smoothed over about ${span} steps; the thin one is the mean of each ${every} steps` +
        `${losses.length > MOST_POINTS ? ', its band the least and greatest of them' : ''}.`,
    'Training is measured with dropout, held-out data without.',
    ...(Number.isFinite(top) ? [`The beginning is left out: it lies as high as ${greatest(losses).toFixed(1)}.`] : []),
  ];
  return { title: 'Loss', explanation: sentences.join(' '), figure: figureOf('loss', series, { fromZero: false }) };
}

/** The height up to which a falling line is drawn: where it is after a tenth of the run, if its beginning would take most of the picture. */
function topOf(line: readonly Point[]): number {
  const after = line.slice(Math.ceil(line.length / 10));
  const least = after.reduce((lowest, { y }) => Math.min(lowest, y), Number.POSITIVE_INFINITY);
  const [first, settled] = [line[0]?.y ?? 0, after[0]?.y ?? 0];
  return line.length >= LONG_LINE && first - settled > settled - least ? settled : Number.POSITIVE_INFINITY;
}

function greatest(points: readonly Point[]): number {
  return points.reduce((highest, { y }) => Math.max(highest, y), Number.NEGATIVE_INFINITY);
}

function perplexityCurve({ measured }: RunRecord): Curve | undefined {
  const points = pointsOf(measured, 'perplexity');
  if (points.length < 2) return undefined;
  return {
    title: 'Perplexity',
    explanation: 'Of held-out text after each epoch: the exponential of its loss.',
    figure: figureOf('perplexity', [{ name: 'held out', points: thinned(points) }], { fromZero: false }),
  };
}

function sharesCurve({ measured }: RunRecord): Curve | undefined {
  const found = SHARES.map((name) => ({ name: inWords(name), points: thinned(pointsOf(measured, name)) }));
  const series = found.filter(({ points }) => points.length >= 2);
  const [first, ...others] = series;
  if (first === undefined) return undefined;
  return {
    title: others.length === 0 ? capitalized(first.name) : 'Right answers',
    explanation: 'Of held-out documents after each epoch; 1 is perfect.',
    figure: figureOf(others.length === 0 ? first.name : 'share', series, { fromZero: false }),
  };
}

function rateCurve({ training }: RunRecord): Curve | undefined {
  const points = pointsOf(training, 'learningRate');
  if (points.length === 0) return undefined;
  return {
    title: 'Learning rate',
    explanation: 'Of the last layer group; earlier groups have less where rates are discriminative.',
    figure: figureOf('learning rate', [{ name: 'rate', points: thinned(points) }]),
  };
}

function speedCurve({ pace: { speeds } }: RunRecord): Curve | undefined {
  if (speeds.length < 2) return undefined;
  const points = speeds.map(({ step, tokensPerSecond }) => ({ x: step, y: tokensPerSecond }));
  return {
    title: 'Speed',
    explanation: 'Tokens trained on in a second of this machine, without the time that the run stood still.',
    figure: figureOf('tokens per second', [{ name: 'speed', points: thinned(points, MOST_POINTS / 4) }]),
  };
}

function figureOf(label: string, series: readonly Series[], y: { readonly fromZero?: boolean } = {}): Figure {
  return { title: '', charts: [{ title: '', x: { label: 'step', fromZero: true }, y: { label, ...y }, series }], width: 460, height: 260 };
}

function pointsOf(lines: RunRecord['measured'], name: string): Point[] {
  return lines.flatMap((line) => (typeof line[name] === 'number' ? [{ x: line.step, y: line[name] }] : []));
}

/**
 * An exponential mean that remembers `span` steps, right from its start, however many steps lie between two points.
 *
 * @example smoothed([{ x: 10, y: 4 }, { x: 20, y: 2 }], 50)[1].y; // a little below 3
 */
export function smoothed(points: readonly Point[], span: number): Point[] {
  let [sum, weight, step] = [0, 0, 0];
  return points.map(({ x, y }) => {
    const memory = (1 - 1 / span) ** Math.max(1, x - step);
    sum = memory * sum + (1 - memory) * y;
    weight = memory * weight + (1 - memory);
    step = x;
    return { x, y: sum / weight };
  });
}

/** The same line in few points: means of neighbours, with the least and greatest of them as a band. */
export function thinned(points: readonly Point[], most = MOST_POINTS): Point[] {
  if (points.length <= most) return [...points];
  return Array.from({ length: most }, (_, bucket) => {
    const own = points.slice(Math.floor((bucket * points.length) / most), Math.floor(((bucket + 1) * points.length) / most));
    const values = own.map(({ y }) => y);
    const mean = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
    return { x: mean(own.map(({ x }) => x)), y: mean(values), low: Math.min(...values), high: Math.max(...values) };
  });
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
