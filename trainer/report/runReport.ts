import { basename, join, resolve } from 'node:path';

import { writeFileAtomically } from '../checkpoint/atomicFile.ts';
import { isPair, PAIR } from '../checkpoint/modelFolder.ts';
import { runCurves } from './curves.ts';
import { type Evaluation, readEvaluation } from './evaluation.ts';
import { evaluationFigures, evaluationSections } from './evaluationSections.ts';
import { html } from './markup.ts';
import { figure } from './modelCard.ts';
import { picture, renderPage, type Section, table } from './page.ts';
import { duration } from './progress.ts';
import type { MetricsLine } from './runMetrics.ts';
import { readRun, type RunRecord } from './runRecord.ts';
import { inWords, shownFigure } from './words.ts';

/** The file of a run folder that a person looks at. */
const REPORT_FILE = 'report.html';

/** What else a run's report shows. */
export interface RunReportExtra {
  /** Takes the place of the folder's evaluation.json. */
  readonly evaluation?: Evaluation | undefined;
}

/**
 * Writes report.html into a run folder, from what lies there: config.json, metrics.jsonl, the events' times, model.json and
 * evaluation.json. It can be made at any time, also while the run goes on; the same folder gives the same page.
 *
 * @returns the page's path
 * @throws UserError where the folder is no run's
 * @example
 * await writeRunReport('runs/reviews'); // 'runs/reviews/report.html'
 */
export async function writeRunReport(folder: string, extra: RunReportExtra = {}): Promise<string> {
  const path = join(folder, REPORT_FILE);
  await writeFileAtomically(path, [new TextEncoder().encode(await runReport(await readRun(folder), extra))]);
  return path;
}

/**
 * Writes the report of a run, or those of both runs of a pair, and of what both come to together where that was measured.
 *
 * @returns the pages' paths
 */
export async function writeRunReports(folder: string): Promise<string[]> {
  if (!(await isPair(folder))) return [await writeRunReport(folder)];
  const together = (await readEvaluation(folder)) === undefined ? [] : [folder];
  const paths: string[] = [];
  for (const run of [...PAIR.map((direction) => join(folder, direction)), ...together]) paths.push(await writeRunReport(run));
  return paths;
}

/** The report's HTML. */
async function runReport(run: RunRecord, { evaluation = run.evaluation }: RunReportExtra): Promise<string> {
  const curves = await Promise.all(runCurves(run).map((curve) => picture(curve.figure, curve)));
  const sections: (Section | false)[] = [
    curves.length > 0 && { id: 'curves', title: 'Curves', body: html`<div class="charts">${curves}</div>` },
    epochsSection(run),
    ...(evaluation === undefined ? [] : await evaluationSections(evaluation)),
    modelSection(run),
    settingsSection(run),
  ];
  return renderPage({
    title: `${titleOf(run)}: ${basename(resolve(run.folder))}`,
    lead: leadOf(run),
    figures: [...runFigures(run), ...(evaluation === undefined ? measuredFigures(run) : evaluationFigures(evaluation))],
    sections: sections.filter((section) => section !== false),
    remake: 'ulmfit report <folder>',
  });
}

function titleOf({ config, training, evaluation }: RunRecord): string {
  const titles: Readonly<Record<string, string>> = { pretrain: 'Pretraining', finetune: 'Fine-tuning', train: 'Training' };
  const unnamed = training.length === 0 && evaluation !== undefined ? 'Evaluation' : 'Run'; // a pair's folder has no run of its own
  return titles[String(config['command'])] ?? unnamed;
}

function leadOf({ config, model, training }: RunRecord): string {
  const what =
    {
      pretrain: 'A language model learns from general text: step 1 of ULMFiT.',
      finetune: 'A language model learns the text of the task: step 2 of ULMFiT.',
      train: 'A classifier learns from labelled documents: step 3 of ULMFiT.',
    }[String(config['command'])] ?? '';
  if (training.length === 0) return what;
  return `${what} ${model === undefined ? 'The run has not ended, or was stopped.' : 'The run is finished.'}`.trim();
}

function runFigures({ training, pace }: RunRecord): (readonly [name: string, value: string])[] {
  const last = training.at(-1);
  if (last === undefined) return [];
  const seconds = [...pace.secondsOfEpoch.values()].reduce((sum, value) => sum + value, 0);
  const speeds = pace.speeds.map(({ tokensPerSecond }) => tokensPerSecond).toSorted((a, b) => a - b);
  const median = speeds[Math.floor(speeds.length / 2)];
  return [
    ['steps', figure(last.step)],
    ...(typeof last['tokens'] === 'number' ? [['tokens', figure(last['tokens'])] as const] : []),
    ...(seconds > 0 ? [['time', duration(seconds)] as const] : []),
    ...(median === undefined ? [] : [['tokens a second', figure(Math.round(median))] as const]),
    ['training loss', shownFigure('loss', last['loss'])],
  ];
}

function measuredFigures({ measured }: RunRecord): (readonly [name: string, value: string])[] {
  return measurementsOf(measured.at(-1) ?? { step: 0 }).map(([name, value]) => [inWords(name), shownFigure(name, value)]);
}

/** What a line measured, without where it stands. */
function measurementsOf(line: MetricsLine): [string, number | string][] {
  return Object.entries(line).filter(([name]) => name !== 'step' && name !== 'epoch');
}

function epochsSection({ training, measured, pace }: RunRecord): Section | false {
  const byEpoch = Map.groupBy([...training, ...measured], (line) => Number(line['epoch']));
  if (byEpoch.size === 0) return false;
  const names = [...new Set(measured.flatMap((line) => measurementsOf(line).map(([name]) => name)))];
  const timed = pace.secondsOfEpoch.size > 0;
  const rows = [...byEpoch.keys()]
    .toSorted((a, b) => a - b)
    .map((epoch) => {
      const steps = training.filter((line) => line['epoch'] === epoch);
      const losses = steps.flatMap(({ loss }) => (typeof loss === 'number' ? [loss] : []));
      const rates = steps.map((line) => Number(line['learningRate']));
      const figures = Object.assign({}, ...measured.filter((line) => line['epoch'] === epoch)) as Record<string, unknown>;
      const seconds = pace.secondsOfEpoch.get(epoch);
      const lastStep = byEpoch.get(epoch)?.reduce((last, { step }) => Math.max(last, step), 0);
      return [
        String(epoch),
        shownFigure('step', lastStep),
        losses.length === 0 ? '–' : shownFigure('loss', losses.reduce((sum, loss) => sum + loss, 0) / losses.length),
        rates.length === 0 ? '–' : rates.reduce((highest, rate) => Math.max(highest, rate)).toPrecision(3),
        ...names.map((name) => shownFigure(name, figures[name])),
        ...(timed ? [seconds === undefined ? '–' : duration(seconds)] : []),
      ];
    });
  const columns = ['epoch', 'last step', 'training loss', 'highest rate', ...names.map(inWords), ...(timed ? ['time'] : [])];
  return {
    id: 'epochs',
    title: 'Epochs',
    body: table('Training loss is the mean over the epoch; the others are of held-out data after it.', columns.map(asNumber), rows),
  };
}

const asNumber = (name: string) => ({ name, isNumber: true });

function modelSection({ model }: RunRecord): Section | false {
  if (model === undefined) return false;
  const { metrics, labels, ...rest } = model;
  const figures = Object.entries((metrics ?? {}) as Record<string, unknown>).map(([name, value]) => [
    inWords(name),
    shownFigure(name, value),
  ]);
  const described = flattened(rest).map(([name, value]) => [inWords(name), value]);
  const named = Array.isArray(labels) && labels.length > 0 ? [['labels', `${labels.length}: ${listed(labels.map(String))}`]] : [];
  return {
    id: 'model',
    title: 'Model',
    body: table(
      'The model card’s figures, as model.json has them.',
      [{ name: 'of the model' }, { name: 'is' }],
      [...described, ...named, ...figures],
    ),
  };
}

/** Labels that are named. */
const LABELS_NAMED = 50;

function listed(labels: readonly string[]): string {
  const more = labels.length > LABELS_NAMED ? `, and ${labels.length - LABELS_NAMED} more` : '';
  return `${labels.slice(0, LABELS_NAMED).join(', ')}${more}`;
}

function settingsSection({ config }: RunRecord): Section | false {
  const settings = flattened(config);
  if (settings.length === 0) return false;
  const rows = settings.map(([name, value]) => [html`<code>${name}</code>`, value]);
  return {
    id: 'settings',
    title: 'Settings',
    body: table('Every decision of the run, defaults included, as config.json has them.', [{ name: 'setting' }, { name: 'value' }], rows),
  };
}

/** A value's leaves by their path: `sizes.hidden`. Lists stay together. */
function flattened(value: Readonly<Record<string, unknown>>, path = ''): [name: string, value: string][] {
  return Object.entries(value).flatMap(([name, inner]): [string, string][] => {
    const full = `${path}${name}`;
    if (typeof inner === 'object' && inner !== null && !Array.isArray(inner))
      return flattened(inner as Record<string, unknown>, `${full}.`);
    return [
      [
        full,
        Array.isArray(inner) ? inner.map((item) => (typeof item === 'string' ? item : JSON.stringify(item))).join(', ') : String(inner),
      ],
    ];
  });
}
