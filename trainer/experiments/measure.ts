import type { Task } from '../model/task.ts';
import type { ClassifierEvaluation } from '../report/evaluation.ts';
import { percent } from '../report/tables.ts';

/** The figure by which the runs of an experiment are compared. */
export interface Measure {
  /** Its name among an evaluation's metrics. */
  readonly name: 'error' | 'microF1' | 'rootMeanSquaredError';
  /** In words, such as `test error`. */
  readonly label: string;
  readonly better: 'lower' | 'higher';
  /** Whether it is a share, shown in percent. */
  readonly isShare: boolean;
}

const MEASURES: Readonly<Record<Task, Measure>> = {
  // As in the paper's tables and figure 3.
  singleLabel: { name: 'error', label: 'test error', better: 'lower', isShare: true },
  multiLabel: { name: 'microF1', label: 'micro F1 on the test set', better: 'higher', isShare: true },
  regression: { name: 'rootMeanSquaredError', label: 'root mean squared error on the test set', better: 'lower', isShare: false },
};

/** What is measured of a classifier of this task. */
export function measureOf(task: Task = 'singleLabel'): Measure {
  return MEASURES[task];
}

/** The plain figures of an evaluation: no tables of labels. */
export function figuresOf({ metrics }: ClassifierEvaluation): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).filter((entry): entry is [string, number] => typeof entry[1] === 'number'));
}

/** What several seeds came to. */
export interface Spread {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  readonly values: readonly number[];
}

/**
 * Mean, least and greatest of some measurements, at least one.
 *
 * @example spreadOf([0.2, 0.4]); // { mean: 0.3, min: 0.2, max: 0.4, values: [0.2, 0.4] }
 */
export function spreadOf(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, min: Math.min(...values), max: Math.max(...values), values };
}

/** A measured value as a person reads it, such as `12.3 %`. */
export function shown({ isShare }: Measure, value: number): string {
  return isShare ? percent(value) : value.toPrecision(3);
}

/** Mean and ends as a person reads them, such as `12.3 % [11.0 – 13.1]`; the mean alone where there is one measurement. */
export function shownSpread(measure: Measure, { mean, min, max, values }: Spread): string {
  if (values.length === 1) return shown(measure, mean);
  const end = (value: number): string => shown(measure, value).replace(' %', '');
  return `${shown(measure, mean)} [${end(min)} – ${end(max)}]`;
}
