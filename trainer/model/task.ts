/** What a classifier answers with: the likeliest label, every label that applies, or a number. */
export const TASKS = ['singleLabel', 'multiLabel', 'regression'] as const;
export type Task = (typeof TASKS)[number];

/** Outputs of a classifier's last layer: one a label, or the number itself. */
export function outputsOf(task: Task = 'singleLabel', labels: readonly string[] = []): number {
  return task === 'regression' ? 1 : labels.length;
}
