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
  readonly n: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

const CALIBRATION_BINS = 10;

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
  const bins = Array.from({ length: CALIBRATION_BINS }, () => ({ n: 0, confidence: 0, right: 0 }));
  for (const [index, wanted] of classes.entries()) {
    const answer = probabilities[index] ?? new Float32Array(labels.length);
    const confidence = Math.max(...answer);
    const given = answer.indexOf(confidence);
    const row = confusion[wanted];
    if (row !== undefined) row[given] = (row[given] ?? 0) + 1;
    const bin = bins[Math.min(CALIBRATION_BINS - 1, Math.floor(confidence * CALIBRATION_BINS))];
    if (bin !== undefined) {
      bin.n++;
      bin.confidence += confidence;
      bin.right += given === wanted ? 1 : 0;
    }
  }
  const n = classes.length;
  const perLabel = labels.map((label, index) => [label, labelMetrics(confusion, index)] as const);
  const { accuracy, loss } = accuracyAndLoss(classes, probabilities);
  return {
    n,
    accuracy,
    error: 1 - accuracy,
    loss,
    macroF1: perLabel.reduce((sum, [, { f1 }]) => sum + f1, 0) / labels.length,
    calibrationError: bins.reduce((sum, bin) => sum + Math.abs(bin.confidence - bin.right), 0) / n,
    labels: Object.fromEntries(perLabel),
    confusion,
  };
}

/** The two figures that training follows: share of right answers, and mean cross-entropy in nats a document. */
export function accuracyAndLoss(classes: readonly number[], probabilities: readonly Float32Array[]): { accuracy: number; loss: number } {
  let right = 0;
  let loss = 0;
  for (const [index, wanted] of classes.entries()) {
    const answer = probabilities[index] ?? new Float32Array();
    if (answer.indexOf(Math.max(...answer)) === wanted) right++;
    loss -= Math.log(Math.max(answer[wanted] ?? 0, 1e-12));
  }
  return { accuracy: right / classes.length, loss: loss / classes.length };
}

function labelMetrics(confusion: readonly (readonly number[])[], index: number): LabelMetrics {
  const right = confusion[index]?.[index] ?? 0;
  const n = (confusion[index] ?? []).reduce((sum, count) => sum + count, 0);
  const given = confusion.reduce((sum, row) => sum + (row[index] ?? 0), 0);
  const precision = given === 0 ? 0 : right / given;
  const recall = n === 0 ? 0 : right / n;
  return { n, precision, recall, f1: precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall) };
}
