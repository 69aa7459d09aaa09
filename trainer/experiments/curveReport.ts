import { basename, join } from 'node:path';
import { type Figure, logarithmicTicks, type Series, writeFigure } from '../report/chart.ts';
import { aligned } from '../report/tables.ts';
import { type Equivalence, equivalenceSentence, equivalentLabels } from './equivalentLabels.ts';
import type { ExperimentFolder } from './experiment.ts';
import { markdownTable } from './markdownTable.ts';
import { type Measure, shownSpread, type Spread, spreadOf } from './measure.ts';
import { type Way, WAY_NAMES, WAYS } from './ways.ts';

/** What one run came to. */
export interface CurveRun {
  readonly way: Way;
  readonly labels: number;
  readonly seed: number;
  readonly value: number;
}

/** What a curve was measured on. */
export interface CurveDescription {
  readonly data: string;
  readonly from: string;
  readonly measure: Measure;
  /** Documents of the test and of the validation part. */
  readonly test: number;
  readonly valid: number;
  readonly seeds: readonly number[];
}

/** A measured curve: curve.json. */
export interface Curve extends CurveDescription {
  /** One for each way and number of labels, over all seeds. */
  readonly points: readonly ({ readonly way: Way; readonly labels: number } & Spread)[];
  /** How many labels from scratch match those of the other ways. */
  readonly equivalences: readonly ({ readonly way: Way } & Equivalence)[];
  readonly runs: readonly CurveRun[];
}

/** Sums up the runs of a curve. */
export function curveOf(description: CurveDescription, runs: readonly CurveRun[]): Curve {
  const points = WAYS.flatMap((way) => {
    const byLabels = Map.groupBy(
      runs.filter((run) => run.way === way),
      ({ labels }) => labels,
    );
    const counts = [...byLabels.keys()].toSorted((a, b) => a - b);
    return counts.map((labels) => ({ way, labels, ...spreadOf((byLabels.get(labels) ?? []).map(({ value }) => value)) }));
  });
  const scratch = points.filter(({ way }) => way === 'scratch').map(({ labels, mean }) => ({ labels, value: mean }));
  const others = scratch.length === 0 ? [] : points.filter(({ way }) => way !== 'scratch');
  const equivalences = others.map(({ way, labels, mean }) => ({
    way,
    ...equivalentLabels(scratch, { labels, value: mean }, description.measure.better),
  }));
  return { ...description, points, equivalences, runs };
}

/** Writes curve.json, curve.md, curve.svg and curve.png. */
export async function writeCurve(folder: ExperimentFolder, description: CurveDescription, runs: readonly CurveRun[]): Promise<Curve> {
  const curve = curveOf(description, runs);
  await folder.write('curve.json', `${JSON.stringify(curve, null, 2)}\n`);
  await folder.write(
    'curve.md',
    `${markdownTable(curveRows(curve))}\n\n${sentencesOf(curve.equivalences)
      .map((each) => `- ${each}\n`)
      .join('')}`,
  );
  await writeFigure(join(folder.path, 'curve'), curveFigure(curve));
  return curve;
}

/** The curve as aligned text: a row for each number of labels, a column for each way. */
export function curveTable(curve: Curve): string {
  return aligned(curveRows(curve));
}

function curveRows({ points, measure }: Curve): string[][] {
  const ways = WAYS.filter((way) => points.some((point) => point.way === way));
  const counts = [...new Set(points.map(({ labels }) => labels))].toSorted((a, b) => a - b);
  const cell = (way: Way, labels: number): string => {
    const point = points.find((each) => each.way === way && each.labels === labels);
    return point === undefined ? '–' : shownSpread(measure, point);
  };
  return [
    ['labels', ...ways.map((way) => WAY_NAMES[way])],
    ...counts.map((labels) => [String(labels), ...ways.map((way) => cell(way, labels))]),
  ];
}

/** The paper's headline is about so many labels. */
const HEADLINE = 100;

/** What the labels of the headline, or else the fewest, are worth with each way: a sentence each. */
export function curveSentences({ equivalences }: Curve): string[] {
  const told = WAYS.map((way) => {
    const ofWay = equivalences.filter((each) => each.way === way);
    return ofWay.find(({ labels }) => labels === HEADLINE) ?? ofWay[0];
  });
  return sentencesOf(told.filter((each) => each !== undefined));
}

function sentencesOf(equivalences: Curve['equivalences']): string[] {
  return equivalences.map((each) => equivalenceSentence(`${each.way} ULMFiT`, each));
}

function curveFigure({ data, from, measure, test, seeds, points }: Curve): Figure {
  const factor = measure.isShare ? 100 : 1;
  const several = seeds.length > 1;
  const series = WAYS.flatMap((way): Series[] => {
    const ofWay = points.filter((point) => point.way === way);
    if (ofWay.length === 0) return [];
    const place = ({ labels, mean, min, max }: (typeof ofWay)[number]) => ({
      x: labels,
      y: factor * mean,
      ...(several && { low: factor * min, high: factor * max }),
    });
    return [{ name: way === 'scratch' ? WAY_NAMES[way] : way, points: ofWay.map(place) }];
  });
  const counts = [...new Set(points.map(({ labels }) => labels))];
  const spread = several ? `mean and range of ${seeds.length} seeds` : 'one seed';
  return {
    title: `What labels are worth: ${nameOf(data)}`,
    subtitle: `${measure.label} on ${test.toLocaleString('en')} documents; ${spread}; ULMFiT from ${basename(from)}`,
    width: 720,
    height: 360,
    charts: [
      {
        title: '',
        x: { label: 'labelled documents to train on', scale: 'log', ticks: ticksOf(counts) },
        y: { label: `${measure.label}${measure.isShare ? ', %' : ''}` },
        series,
      },
    ],
  };
}

/** A file's name without its endings. */
function nameOf(data: string): string {
  return /^[^.]+/.exec(basename(data))?.[0] ?? basename(data);
}

/** More labels than this would run into each other. */
const MOST_TICKS = 8;

/** The numbers that were measured, where there is room for them. */
function ticksOf(counts: readonly number[]): readonly number[] {
  return counts.length <= MOST_TICKS ? counts.toSorted((a, b) => a - b) : logarithmicTicks(Math.min(...counts), Math.max(...counts));
}
