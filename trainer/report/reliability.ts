/** Answers of about the same confidence, and how often they were right. */
export interface ReliabilityBin {
  readonly n: number;
  /** Mean confidence of the bin's answers; 0 where there are none. */
  readonly confidence: number;
  /** Share of them that were right. */
  readonly right: number;
}

const BINS = 10;

/**
 * Sorts answers into ten bins of equal width by confidence (Guo et al. 2017, section 2, "reliability diagrams").
 *
 * @param confidences probability of each answer, in [0, 1]
 * @param right whether it was so
 * @example
 * reliabilityBins([0.95, 0.91, 0.55], [true, false, true])[9]; // { n: 2, confidence: 0.93, right: 0.5 }
 */
export function reliabilityBins(confidences: readonly number[], right: readonly boolean[]): ReliabilityBin[] {
  const sums = Array.from({ length: BINS }, () => ({ n: 0, confidence: 0, right: 0 }));
  for (const [index, confidence] of confidences.entries()) {
    const bin = sums[Math.max(0, Math.min(BINS - 1, Math.floor(confidence * BINS)))];
    if (bin === undefined) continue;
    bin.n++;
    bin.confidence += confidence;
    bin.right += right[index] ? 1 : 0;
  }
  return sums.map(({ n, ...sum }) => ({ n, confidence: n === 0 ? 0 : sum.confidence / n, right: n === 0 ? 0 : sum.right / n }));
}

/**
 * Expected calibration error: the mean distance of confidence from the share of right answers, each bin by its number of answers (Guo et
 * al. 2017, equation 3). 0 where answers of 80 % are right 80 times in 100.
 */
export function expectedCalibrationError(bins: readonly ReliabilityBin[]): number {
  const n = bins.reduce((sum, bin) => sum + bin.n, 0);
  return n === 0 ? 0 : bins.reduce((sum, bin) => sum + bin.n * Math.abs(bin.confidence - bin.right), 0) / n;
}

/** Bins of single-label answers: the confidence is the probability of the likeliest label. */
export function singleLabelBins(classes: readonly number[], probabilities: readonly Float32Array[]): ReliabilityBin[] {
  const best = probabilities.map((answer) => Math.max(...answer));
  return reliabilityBins(
    best,
    best.map((confidence, index) => probabilities[index]?.indexOf(confidence) === classes[index]),
  );
}

/** Bins of multi-label answers: every label of every document is an answer, and its probability the confidence that the label applies. */
export function multiLabelBins(targets: readonly Float32Array[], probabilities: readonly Float32Array[]): ReliabilityBin[] {
  return reliabilityBins(
    probabilities.flatMap((answer) => [...answer]),
    targets.flatMap((target) => Array.from(target, (wanted) => wanted > 0.5)),
  );
}
