import type { Rows } from '../tables.ts';
import type { ResultRecord } from './records.ts';
import { KNOWN_SETS, METHODS } from './sets.ts';

/** The drawn number of labels; for a file with all of them, or a fold of them, nothing. */
function drawnLabels({ train, labels }: ResultRecord): number | 'all' {
  return train.startsWith('labels-') ? labels : 'all';
}

/**
 * Accuracies on a set: a row for each method, a column for each number of labels, the mean of several draws, seeds or folds with least and greatest.
 *
 * @param records all of one set; where the same run was measured again, with other settings, the last one counts
 */
export function accuracyRows(records: readonly ResultRecord[], set: string): Rows {
  const columns = [...new Set(records.map(drawnLabels))].toSorted((a, b) => amount(b) - amount(a));
  const all = records.find((record) => drawnLabels(record) === 'all')?.labels;
  const head = columns.map((labels) => (labels === 'all' ? `all ${all?.toLocaleString('en') ?? ''} labels` : `${labels} labels`));
  const methods = Object.keys(METHODS).filter((name) => records.some(({ method }) => method === name));
  const rows = methods.map((name) => [
    METHODS[name] ?? name,
    ...columns.map((labels) => shown(accuraciesOf(records.filter((record) => record.method === name && drawnLabels(record) === labels)))),
  ]);
  const { paper } = KNOWN_SETS[set] ?? {};
  const published =
    paper === undefined ? [] : [['paper, official test part', ...columns.map((labels) => (labels === 'all' ? percent(paper) : '–'))]];
  return [['accuracy', ...head], ...rows, ...published];
}

function amount(labels: number | 'all'): number {
  return labels === 'all' ? Infinity : labels;
}

/** What the last measurement of each training file and seed came to. */
function accuraciesOf(records: readonly ResultRecord[]): number[] {
  const last = new Map(records.map((record) => [`${record.set} ${record.train} ${record.seed}`, record]));
  return [...last.values()].map(({ accuracy }) => accuracy);
}

function shown(accuracies: readonly number[]): string {
  if (accuracies.length === 0) return '–';
  const mean = accuracies.reduce((sum, value) => sum + value, 0) / accuracies.length;
  if (accuracies.length === 1) return percent(mean);
  return `${percent(mean)} [${(100 * Math.min(...accuracies)).toFixed(1)} – ${(100 * Math.max(...accuracies)).toFixed(1)}]`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** Of each method how many runs, how long one took, on what machine and when, and the commands. */
export function provenance(records: readonly ResultRecord[]): string[] {
  const groups = Map.groupBy(records, ({ method, machine }) => `${METHODS[method] ?? method} on ${machine}`);
  const lines = [...groups].map(([name, runs]) => {
    const seconds = runs.flatMap((run) => run.seconds ?? []).toSorted((a, b) => a - b);
    const dates = [...new Set(runs.map(({ date }) => date))].toSorted();
    const span = seconds.length === 0 ? [] : [`${seconds[0]} to ${seconds.at(-1)} s a run`];
    return `- ${[`${name}: ${runs.length} ${runs.length === 1 ? 'run' : 'runs'}`, ...span, dates.join(' and ')].join(', ')}`;
  });
  const commands = [...new Set(records.filter(({ seed }) => seed !== undefined).map(({ command }) => command))];
  return [...lines, ...(commands.length > 0 ? ['', '```sh', ...commands, '```'] : [])];
}
