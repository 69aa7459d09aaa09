/** What the parity gate makes of logits, and how it compares answers. Apart from the server's own, so that each checks the other. */
import type { Bundle, ParityFigures } from './bundle.ts';

/** How logits become answers. */
export type Answering = Pick<Bundle, 'task' | 'range'>;

/** From this probability on, a text gets a label of a multi-label model. */
const LABEL_THRESHOLD = 0.5;

/**
 * The answer that logits stand for: probabilities that sum to 1 (singleLabel), a probability of each label on its own
 * (multiLabel), or the value alone (regression).
 *
 * @example
 * answerOf({ task: 'regression', range: [1, 5] }, Float32Array.of(0)); // [3]
 */
export function answerOf({ task, range }: Answering, logits: Float32Array): Float32Array {
  if (task === 'singleLabel') return softmax(logits);
  if (task === 'multiLabel') return logits.map(sigmoid);
  if (range === undefined) return logits.slice();
  const [low, high] = range;
  return logits.map((logit) => low + (high - low) * sigmoid(logit));
}

/** The mean of the members' answers to one document. */
export function meanAnswer(answers: readonly Float32Array[]): Float32Array {
  const [first = new Float32Array()] = answers;
  return first.map((_, place) => answers.reduce((sum, answer) => sum + (answer[place] ?? Number.NaN), 0) / answers.length);
}

/**
 * How far a graph's answers are from those that are expected.
 *
 * @param expected the trainer's answer to each document.
 * @param found    the graph's answers to the same documents, once for every way in which it was asked.
 * @param tolerance a difference of this size decides nothing: where it is all that parts two labels, either may come first.
 * @throws Error where an answer is not a number or has the wrong size.
 */
export function compareAnswers(
  answering: Answering,
  expected: readonly Float32Array[],
  found: readonly (readonly Float32Array[])[],
  tolerance: number,
): ParityFigures {
  let largest = 0;
  let labelDisagreements = 0;
  for (const [index, answer] of expected.entries()) {
    const ours = found.map((answers) => answers[index] ?? new Float32Array());
    for (const one of ours) largest = Math.max(largest, difference(answering, one, answer));
    if (ours.some((one) => hasOtherLabels(answering, one, answer, tolerance))) labelDisagreements += 1;
  }
  const documents = expected.length;
  return answering.task === 'regression'
    ? { documents, maxRelativeDifference: largest }
    : { documents, maxProbabilityDifference: largest, labelDisagreements };
}

/**
 * The largest difference between two answers to the same document.
 *
 * @throws Error where an answer is not a number or has the wrong size.
 */
export function largestDifference(answering: Answering, some: readonly Float32Array[], others: readonly Float32Array[]): number {
  return Math.max(0, ...some.map((answer, index) => difference(answering, others[index] ?? new Float32Array(), answer)));
}

/** The largest difference of a probability; of a value, in units of what its answers extend over. */
function difference({ task, range }: Answering, answer: Float32Array, expected: Float32Array): number {
  if (answer.length !== expected.length) throw new Error(`The graph has ${answer.length} outputs, the trainer ${expected.length}.`);
  const unit = (value: number): number => {
    if (task !== 'regression') return 1;
    return range === undefined ? Math.max(1, Math.abs(value)) : range[1] - range[0];
  };
  const largest = Math.max(...Array.from(expected, (value, place) => Math.abs((answer[place] ?? Number.NaN) - value) / unit(value)));
  // Every comparison with NaN is false, so it would pass for "not too large".
  if (!Number.isFinite(largest))
    throw new Error("The graph or the trainer answered with something that is not a number. The model's weights are damaged.");
  return largest;
}

/** Whether an answer gives a document another label, or other labels, than the expected one, where that one is not undecided itself. */
function hasOtherLabels({ task }: Answering, answer: Float32Array, expected: Float32Array, tolerance: number): boolean {
  if (task === 'regression') return false;
  if (task === 'multiLabel') {
    const isNear = (probability: number): boolean => Math.abs(probability - LABEL_THRESHOLD) <= tolerance;
    const applies = (probability: number): boolean => probability >= LABEL_THRESHOLD;
    return expected.some((probability, label) => !isNear(probability) && applies(probability) !== applies(answer[label] ?? Number.NaN));
  }
  const [ours, theirs] = [largestAt(answer), largestAt(expected)];
  return ours !== theirs && (expected[theirs] ?? Number.NaN) - (expected[ours] ?? Number.NaN) > tolerance;
}

function softmax(logits: Float32Array): Float32Array {
  const largest = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return Float32Array.from(powers, (power) => power / sum);
}

function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

function largestAt(probabilities: Float32Array): number {
  return probabilities.indexOf(Math.max(...probabilities));
}

/** What figures say whatever the task: the largest difference of an answer, and how many documents got another label (none where the answer is a number). */
export function differencesOf(figures: ParityFigures): { readonly largest: number; readonly others: number } {
  if ('maxRelativeDifference' in figures) return { largest: figures.maxRelativeDifference, others: 0 };
  return { largest: figures.maxProbabilityDifference, others: figures.labelDisagreements };
}
