import type { ClassifierMetrics } from './metrics.ts';

/** `0.8123` as `81.2 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** The confusion matrix with each label's precision, recall and F1, as aligned text. */
export function confusionTable(labels: readonly string[], metrics: ClassifierMetrics): string {
  const header = ['label', 'n', 'precision', 'recall', 'F1', ...labels.map((label) => `→ ${label}`)];
  const rows = labels.map((label, index) => {
    const { n = 0, precision = 0, recall = 0, f1 = 0 } = metrics.labels[label] ?? {};
    return [label, String(n), percent(precision), percent(recall), percent(f1), ...(metrics.confusion[index] ?? []).map(String)];
  });
  return aligned([header, ...rows]);
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
