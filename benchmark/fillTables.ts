/**
 * Writes results of benchmarks into a document's tables, so that they agree.
 *
 * Usage: node benchmark/fillTables.ts docs/performance.md RESULT.json…
 * The results are what `ulmfit benchmark train|scaling|profile|tokenize|serve --json` printed. Those of one kind share a table or follow each other.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { markdownTable, replaceBetweenMarks } from './markdown.ts';
import type { ProfileResult } from './profileReport.ts';
import { profileRows } from './profileReport.ts';
import type { ScalingBenchmark } from './scaling.ts';
import { scalingNotes, scalingRows } from './scalingReport.ts';
import type { ServingBenchmark } from './servingBenchmark.ts';
import { servingLoadRows, servingNotes, servingRows } from './servingReport.ts';
import { trainingNotes, trainingRows } from './tables.ts';
import type { TokenizingBenchmark } from './tokenizingBenchmark.ts';
import { tokenizingNotes, tokenizingRows } from './tokenizingReport.ts';
import type { TrainingBenchmark } from './trainingBenchmark.ts';

type Result = TrainingBenchmark | ScalingBenchmark | ProfileResult | TokenizingBenchmark | ServingBenchmark;

/** Operations of a profile that are shown one by one. */
const OPERATIONS = 10;

const [document, ...files] = process.argv.slice(2);
if (document === undefined || files.length === 0) throw new Error('usage: node benchmark/fillTables.ts DOCUMENT.md RESULT.json…');
const results = files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Result);
let text = readFileSync(document, 'utf8');
for (const kind of new Set(results.map(({ benchmark }) => benchmark))) {
  text = replaceBetweenMarks(text, kind, sectionOf(results.filter(({ benchmark }) => benchmark === kind)));
}
writeFileSync(document, text);

function sectionOf(same: readonly Result[]): string {
  const training = same.filter((result) => result.benchmark === 'train');
  if (training.length > 0) {
    const notes = new Set(training.flatMap(trainingNotes));
    return [markdownTable(trainingRows(training.flatMap(({ measurements }) => measurements))), '', ...notes].join('\n');
  }
  const serving = same.filter((result) => result.benchmark === 'serve');
  if (serving.length > 0) {
    const [first, ...others] = serving as [ServingBenchmark, ...ServingBenchmark[]];
    const all = { ...first, measurements: [first, ...others].flatMap(({ measurements }) => measurements) };
    return [markdownTable(servingRows(all)), '', markdownTable(servingLoadRows(all)), '', ...servingNotes(all)].join('\n');
  }
  return same.map(tableOf).join('\n\n');
}

function tableOf(result: Result): string {
  if (result.benchmark === 'scaling') return [markdownTable(scalingRows(result)), '', ...scalingNotes(result)].join('\n');
  if (result.benchmark === 'tokenize') return [markdownTable(tokenizingRows(result)), '', ...tokenizingNotes(result)].join('\n');
  if (result.benchmark === 'profile') {
    const { preset, task, precision } = result;
    return [`${preset}, ${task}, ${precision}`, '', markdownTable(profileRows(result, OPERATIONS))].join('\n');
  }
  throw new Error(`no table for ${result.benchmark}`);
}
