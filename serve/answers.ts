/** From logits to what a client is told: the same on every platform. */
import type { Bundle } from '../export/bundle.ts';
import { SCORE_FUNCTIONS_OF, type Answer, type LabelScore, type ScoreFunction } from './schema.ts';

/** What the models of a bundle made of one text: the logits of each, in the bundle's order. */
export type MemberLogits = readonly Float32Array[];

/** What a client may ask of an answer with labels. */
export interface AnswerOptions {
  /** At most this many scores, the best ones. */
  readonly topK?: number | undefined;
  /** The task's own unless told. */
  readonly scoreFunction?: ScoreFunction | undefined;
}

/** From this probability on, a text gets a label of a multi-label model. */
const LABEL_THRESHOLD = 0.5;

/**
 * The answer to a text. Of two models, whose probabilities or values are averaged (Howard & Ruder 2018, section 3.3,
 * "Bidirectional language model").
 *
 * @example
 * const bundle = { task: 'singleLabel', labels: ['negative', 'positive'] } as const;
 * answerOf(bundle, [Float32Array.of(0, 0)]); // [{ label: 'negative', score: 0.5 }, { label: 'positive', score: 0.5 }]
 */
export function answerOf(
  { task, labels, range }: Pick<Bundle, 'task' | 'range'> & { readonly labels: readonly string[] },
  logits: MemberLogits,
  { topK, scoreFunction }: AnswerOptions = {},
): Answer {
  if (task === 'regression') return { value: meanOf(logits, (row) => [valueOf(row[0] ?? Number.NaN, range)])[0] ?? Number.NaN };
  const scores = scoresOf(labels, logits, scoreFunction ?? SCORE_FUNCTIONS_OF[task][0]).slice(0, topK);
  if (task === 'singleLabel') return scores;
  const probable = scoresOf(labels, logits, 'sigmoid').filter(({ score }) => score >= LABEL_THRESHOLD);
  return { labels: probable.map(({ label }) => label), scores };
}

/**
 * The answer to a text as numbers in the order of the labels: their probabilities, or the one value of a regression. Of two models the
 * means.
 *
 * @example
 * valuesOf({ task: 'singleLabel' }, [Float32Array.of(0, 0)]); // [0.5, 0.5]
 */
export function valuesOf({ task, range }: Pick<Bundle, 'task' | 'range'>, logits: MemberLogits): Float32Array {
  if (task === 'regression') return Float32Array.from(meanOf(logits, (row) => [valueOf(row[0] ?? Number.NaN, range)]));
  return Float32Array.from(meanOf(logits, (row) => SCORE_FUNCTIONS[SCORE_FUNCTIONS_OF[task][0]](Array.from(row))));
}

/** The labels with their scores, best first; labels with the same score keep the model's order. */
function scoresOf(labels: readonly string[], logits: MemberLogits, scoreFunction: ScoreFunction): LabelScore[] {
  const scores = meanOf(logits, (row) => SCORE_FUNCTIONS[scoreFunction](Array.from(row)));
  return labels.map((label, index) => ({ label, score: scores[index] ?? Number.NaN })).toSorted((one, other) => other.score - one.score);
}

const SCORE_FUNCTIONS: Readonly<Record<ScoreFunction, (logits: readonly number[]) => readonly number[]>> = {
  softmax,
  sigmoid: (logits) => logits.map(sigmoid),
  none: (logits) => logits,
};

/** The mean over the members of what `read` makes of the logits of each. */
function meanOf(logits: MemberLogits, read: (row: Float32Array) => readonly number[]): number[] {
  const answers = logits.map(read);
  const [first = []] = answers;
  return first.map((_, place) => answers.reduce((sum, answer) => sum + (answer[place] ?? Number.NaN), 0) / answers.length);
}

/** The value that a regression's logit stands for: the logit itself, or a place between two bounds. */
function valueOf(logit: number, range: Bundle['range']): number {
  if (range === undefined) return logit;
  const [low, high] = range;
  return low + (high - low) * sigmoid(logit);
}

function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/** e^z / Σ e^z, shifted by the largest logit so that nothing overflows. */
function softmax(logits: readonly number[]): number[] {
  const largest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
