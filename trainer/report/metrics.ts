import { expectedCalibrationError, multiLabelBins, singleLabelBins } from './reliability.ts';

/** How a classifier did on labelled documents. */
export interface ClassifierMetrics {
  /** Documents judged. */
  readonly n: number;
  /** Share of documents that got their own label. */
  readonly accuracy: number;
  /** 1 − accuracy, as the paper's tables give it. */
  readonly error: number;
  /** Mean cross-entropy, nats a document. */
  readonly loss: number;
  /** Mean of the labels' F1. */
  readonly macroF1: number;
  /** Expected calibration error over ten bins of confidence: 0 where a probability of 80 % means right 80 times in 100. */
  readonly calibrationError: number;
  readonly labels: Readonly<Record<string, LabelMetrics>>;
  /** `confusion[i][j]`: documents of label i that got label j. */
  readonly confusion: readonly (readonly number[])[];
}

export interface LabelMetrics {
  /** Documents that have the label. */
  readonly n: number;
  /** Share of the documents given the label that have it; 0 where none was given it. */
  readonly precision: number;
  /** Share of the documents that have the label which were given it; 0 where none has it. */
  readonly recall: number;
  readonly f1: number;
}

/** How a classifier with any number of labels a document did. */
export interface MultiLabelMetrics {
  /** Documents judged. */
  readonly n: number;
  /** Share of documents that were given all their labels and no other. */
  readonly exactMatch: number;
  /** Mean binary cross-entropy, nats a label of a document. */
  readonly loss: number;
  /** F1 over all decisions at once: frequent labels weigh more. */
  readonly microF1: number;
  /** Mean of the labels' F1. */
  readonly macroF1: number;
  /** Expected calibration error over ten bins of probability, all labels of all documents together. */
  readonly calibrationError: number;
  readonly labels: Readonly<Record<string, LabelMetrics>>;
}

/** How a regression did. */
export interface RegressionMetrics {
  /** Documents judged. */
  readonly n: number;
  /** Mean squared error. */
  readonly loss: number;
  /** Root of the mean squared error, in the unit of the numbers. */
  readonly rootMeanSquaredError: number;
  /** Mean absolute error, in the unit of the numbers. */
  readonly meanAbsoluteError: number;
  /** Share of the variance that is explained: 1 is perfect, 0 as good as answering the mean each time; 0 too where all wanted numbers are equal. */
  readonly r2: number;
  /** Pearson's correlation of wanted and given numbers; 0 where either are all equal. */
  readonly pearson: number;
}

/** From this probability on, a label is given to a document that may have several. */
export const GIVEN_FROM = 0.5;

/** Probabilities below are taken as this one, so that one sure mistake does not make a mean infinite. */
const LEAST_PROBABILITY = 1e-12;

/**
 * Judges a classifier's answers.
 *
 * @param labels the label of each class
 * @param classes the right class of each document
 * @param probabilities the answer to each document
 */
export function classifierMetrics(
  labels: readonly string[],
  classes: readonly number[],
  probabilities: readonly Float32Array[],
): ClassifierMetrics {
  const confusion = labels.map(() => labels.map(() => 0));
  for (const [index, wanted] of classes.entries()) {
    const row = confusion[wanted];
    const given = likeliest(probabilities[index] ?? new Float32Array(labels.length));
    if (row !== undefined) row[given] = (row[given] ?? 0) + 1;
  }
  const perLabel = labels.map((_, index) => {
    const n = (confusion[index] ?? []).reduce((sum, count) => sum + count, 0);
    const given = confusion.reduce((sum, row) => sum + (row[index] ?? 0), 0);
    return labelMetrics({ right: confusion[index]?.[index] ?? 0, given, n });
  });
  const { accuracy, loss } = accuracyAndLoss(classes, probabilities);
  return {
    n: classes.length,
    accuracy,
    error: 1 - accuracy,
    loss,
    macroF1: mean(perLabel.map(({ f1 }) => f1)),
    calibrationError: expectedCalibrationError(singleLabelBins(classes, probabilities)),
    labels: byLabel(labels, perLabel),
    confusion,
  };
}

/** The two figures that training follows: share of right answers, and mean cross-entropy in nats a document. */
export function accuracyAndLoss(classes: readonly number[], probabilities: readonly Float32Array[]): { accuracy: number; loss: number } {
  let right = 0;
  let loss = 0;
  for (const [index, wanted] of classes.entries()) {
    const answer = probabilities[index] ?? new Float32Array();
    if (likeliest(answer) === wanted) right++;
    loss += surprise(answer[wanted] ?? 0);
  }
  return { accuracy: right / classes.length, loss: loss / classes.length };
}

/**
 * Judges the answers of a classifier that gives each document any number of labels: those of at least {@link GIVEN_FROM}.
 *
 * @param labels the label of each output
 * @param targets one array a document, 1 where it has the label
 * @param probabilities one array a document
 * @example
 * multiLabelMetrics(['film', 'music'], [Float32Array.of(1, 0)], [Float32Array.of(0.9, 0.2)]).exactMatch; // 1
 */
export function multiLabelMetrics(
  labels: readonly string[],
  targets: readonly Float32Array[],
  probabilities: readonly Float32Array[],
): MultiLabelMetrics {
  const counts = labels.map(() => ({ right: 0, given: 0, n: 0 }));
  let exact = 0;
  for (const [index, target] of targets.entries()) {
    let differences = 0;
    for (const [label, count] of counts.entries()) {
      const wanted = (target[label] ?? 0) > 0.5;
      const given = (probabilities[index]?.[label] ?? 0) >= GIVEN_FROM;
      count.n += Number(wanted);
      count.given += Number(given);
      count.right += Number(wanted && given);
      differences += Number(wanted !== given);
    }
    exact += Number(differences === 0);
  }
  const perLabel = counts.map(labelMetrics);
  const sum = (name: 'right' | 'given' | 'n') => counts.reduce((total, count) => total + count[name], 0);
  return {
    n: targets.length,
    exactMatch: exact / targets.length,
    loss: mean(targets.map((target, index) => binaryEntropy(target, probabilities[index] ?? new Float32Array()))),
    microF1: labelMetrics({ right: sum('right'), given: sum('given'), n: sum('n') }).f1,
    macroF1: mean(perLabel.map(({ f1 }) => f1)),
    calibrationError: expectedCalibrationError(multiLabelBins(targets, probabilities)),
    labels: byLabel(labels, perLabel),
  };
}

/** Mean binary cross-entropy of one document's labels, nats. */
export function binaryEntropy(target: Float32Array, probabilities: Float32Array): number {
  return mean(
    Array.from(target, (wanted, label) => surprise(wanted > 0.5 ? (probabilities[label] ?? 0) : 1 - (probabilities[label] ?? 0))),
  );
}

/**
 * Judges numbers that were given instead of others.
 *
 * @example
 * regressionMetrics([1, 2, 3], [1, 2, 4]).meanAbsoluteError; // 0.333…
 */
export function regressionMetrics(wanted: readonly number[], given: readonly number[]): RegressionMetrics {
  const differences = wanted.map((value, index) => (given[index] ?? Number.NaN) - value);
  const loss = mean(differences.map((difference) => difference ** 2));
  const variance = covariance(wanted, wanted);
  const spread = Math.sqrt(variance * covariance(given, given));
  return {
    n: wanted.length,
    loss,
    rootMeanSquaredError: Math.sqrt(loss),
    meanAbsoluteError: mean(differences.map(Math.abs)),
    r2: variance === 0 ? 0 : 1 - loss / variance,
    pearson: spread === 0 ? 0 : covariance(wanted, given) / spread,
  };
}

/** The class with the greatest probability. */
export function likeliest(answer: Float32Array): number {
  return answer.indexOf(Math.max(...answer));
}

/** Nats of something that had this probability and happened. */
export function surprise(probability: number): number {
  return -Math.log(Math.max(probability, LEAST_PROBABILITY));
}

function labelMetrics({ right, given, n }: { readonly right: number; readonly given: number; readonly n: number }): LabelMetrics {
  const precision = given === 0 ? 0 : right / given;
  const recall = n === 0 ? 0 : right / n;
  return { n, precision, recall, f1: precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall) };
}

function byLabel(labels: readonly string[], metrics: readonly LabelMetrics[]): Record<string, LabelMetrics> {
  return Object.fromEntries(labels.flatMap((label, index) => (metrics[index] ? [[label, metrics[index]] as const] : [])));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function covariance(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [mean(a), mean(b)];
  return mean(a.map((value, index) => (value - meanA) * ((b[index] ?? Number.NaN) - meanB)));
}
