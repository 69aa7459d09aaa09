import type { Answering, Targets } from '../model/objective.ts';
import { accuracyAndLoss, likeliest, multiLabelMetrics, regressionMetrics } from '../report/metrics.ts';

/**
 * The figures of a classifier's held-out documents that training follows.
 *
 * @returns `validationLoss`, as the objective defines it but for the labels' weights, and by task `accuracy`, `microF1` or `rootMeanSquaredError`
 */
export function validationFigures({ task, scale }: Answering, targets: Targets, answers: readonly Float32Array[]): Record<string, number> {
  if (task === 'singleLabel') {
    const { accuracy, loss } = accuracyAndLoss(targets.map(likeliest), answers);
    return { validationLoss: loss, accuracy };
  }
  if (task === 'multiLabel') {
    const names = Array.from(targets[0] ?? [], (_, label) => `${label}`);
    const { loss, microF1 } = multiLabelMetrics(names, targets, answers);
    return { validationLoss: loss, microF1 };
  }
  const values = (rows: readonly Float32Array[]): number[] => rows.map(([value = Number.NaN]) => value);
  const { loss, rootMeanSquaredError } = regressionMetrics(values(targets), values(answers));
  return { validationLoss: loss / (scale?.deviation ?? 1) ** 2, rootMeanSquaredError };
}
