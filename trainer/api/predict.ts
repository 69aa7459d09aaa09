/** What a classifier says to texts, by the names of its labels. */
import type { TrainedClassifier } from '../recipe/trainedClassifier.ts';
import { GIVEN_FROM } from '../report/metrics.ts';

/** The answer to one text. */
export type Prediction = LabelPrediction | LabelsPrediction | NumberPrediction;

/** One label a text. */
export interface LabelPrediction {
  readonly task: 'singleLabel';
  /** The likeliest label. */
  readonly label: string;
  /** Its probability. */
  readonly score: number;
  /** Labels and their probabilities, the likeliest first. */
  readonly scores: readonly LabelScore[];
}

/** Any number of labels a text. */
export interface LabelsPrediction {
  readonly task: 'multiLabel';
  /** Those with a probability of at least a half, the likeliest first. */
  readonly labels: readonly string[];
  readonly scores: readonly LabelScore[];
}

/** A number a text. */
export interface NumberPrediction {
  readonly task: 'regression';
  readonly value: number;
}

export interface LabelScore {
  readonly label: string;
  readonly score: number;
}

/** What must be known of a classifier to read its answers. */
export type Answerer = Pick<TrainedClassifier, 'task' | 'labels'>;

/**
 * Reads a classifier's answer.
 *
 * @param answer probabilities in the order of the labels, or a number
 * @param topK scores that are kept; default: all
 * @example
 * const { task, labels } = { task: 'singleLabel', labels: ['neg', 'pos'] } as const;
 * predictionOf({ task, labels }, Float32Array.of(0.25, 0.75), 1); // { task: 'singleLabel', label: 'pos', score: 0.75, scores: [{ label: 'pos', score: 0.75 }] }
 */
export function predictionOf({ task, labels }: Answerer, answer: Float32Array, topK?: number): Prediction {
  if (task === 'regression') return { task, value: answer[0] ?? Number.NaN };
  const ranked = labels.map((label, index) => ({ label, score: answer[index] ?? 0 })).toSorted((a, b) => b.score - a.score);
  const scores = ranked.slice(0, topK);
  if (task === 'multiLabel') {
    return { task, labels: ranked.filter(({ score }) => score >= GIVEN_FROM).map(({ label }) => label), scores };
  }
  const [best] = ranked;
  return { task, label: best?.label ?? '', score: best?.score ?? Number.NaN, scores };
}

/** Texts answered at a time, so that any number of them takes little memory. */
const AT_ONCE = 256;

/**
 * Answers texts with a trained classifier, or a pair of them. To answer again and again, keep one: {@link openClassifier}.
 *
 * @param folder a model folder of a classifier, or a pair of them
 * @param texts each a text, or its fields where the classifier was trained on several columns; of any length
 * @returns one answer a text, in the order given
 * @throws UserError where the folder holds no classifier
 * @example
 * const [answer] = await predict('models/reviews', ['The film is great and funny.']);
 * if (answer?.task === 'singleLabel') console.log(answer.label); // 'pos'
 */
export async function predict(folder: string, texts: Iterable<string | readonly string[]>): Promise<Prediction[]> {
  const { TrainedClassifier } = await import('../recipe/trainedClassifier.ts');
  const classifier = await TrainedClassifier.open(folder);
  try {
    const documents = [...texts].map((text) => (typeof text === 'string' ? [text] : text));
    const predictions: Prediction[] = [];
    for (let first = 0; first < documents.length; first += AT_ONCE) {
      const answers = classifier.answers(documents.slice(first, first + AT_ONCE));
      predictions.push(...answers.map((answer) => predictionOf(classifier, answer)));
    }
    return predictions;
  } finally {
    classifier.dispose();
  }
}
