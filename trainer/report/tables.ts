import type { ClassifierMetrics, LabelMetrics, MultiLabelMetrics } from './metrics.ts';

/** `0.8123` as `81.2 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** The confusion matrix with each label's precision, recall and F1, as aligned text. */
export function confusionTable(labels: readonly string[], metrics: ClassifierMetrics): string {
  const header = [...LABEL_HEADER, ...labels.map((label) => `→ ${label}`)];
  const rows = labels.map((label, index) => [...labelRow(label, metrics.labels[label]), ...(metrics.confusion[index] ?? []).map(String)]);
  return aligned([header, ...rows]);
}

/** Each label's precision, recall and F1, as aligned text. */
export function labelTable(labels: readonly string[], metrics: MultiLabelMetrics): string {
  return aligned([LABEL_HEADER, ...labels.map((label) => labelRow(label, metrics.labels[label]))]);
}

const LABEL_HEADER = ['label', 'n', 'precision', 'recall', 'F1'];

function labelRow(label: string, { n, precision, recall, f1 }: LabelMetrics = { n: 0, precision: 0, recall: 0, f1: 0 }): string[] {
  return [label, String(n), percent(precision), percent(recall), percent(f1)];
}

/** Columns of equal width: the first to the left, the others to the right. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  '),
    )
    .join('\n');
}
