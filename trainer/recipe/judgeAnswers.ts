import type { Task } from '../model/task.ts';
import type {
  ClassifierEvaluation,
  MultiLabelEvaluation,
  RegressionEvaluation,
  Reliability,
  SingleLabelEvaluation,
} from '../report/evaluation.ts';
import {
  accuracyAndLoss,
  binaryEntropy,
  classifierMetrics,
  GIVEN_FROM,
  likeliest,
  multiLabelMetrics,
  regressionMetrics,
  surprise,
} from '../report/metrics.ts';
import { expectedCalibrationError, multiLabelBins, singleLabelBins } from '../report/reliability.ts';
import { fitMultiLabelTemperature, fitTemperature, logitsOf, probabilitiesAt } from './calibration.ts';

/** Documents with what was wanted and what a classifier answered, place by place. */
export interface AnsweredDocuments {
  readonly task: Task;
  /** The labels in the order of the answers; none for regression. */
  readonly labels: readonly string[];
  /** The text columns of each document. */
  readonly texts: readonly (readonly string[])[];
  /** One array a document: 1 at its label's place, 1 at the place of each of its labels, or its number. */
  readonly targets: readonly Float32Array[];
  /** One array a document: probabilities, or its number. */
  readonly answers: readonly Float32Array[];
  /** What the model divides its logits by; default 1. */
  readonly temperature?: number | undefined;
  /** Whether the answers are means of several models', which no one temperature is behind. */
  readonly averaged?: boolean;
}

/** Wrong documents that are kept for a person to read. */
const WRONG_KEPT = 20;
/** Characters of them that are kept. */
const TEXT_KEPT = 600;
/** Points of a regression that are kept: as many as can be told apart in a picture. */
const POINTS_KEPT = 1000;

/**
 * Judges a classifier's answers to documents whose labels are known.
 *
 * @example
 * const evaluation = judgeAnswers({
 *   task: 'singleLabel', labels: ['neg', 'pos'], texts: [['A fine film.']],
 *   targets: [Float32Array.of(0, 1)], answers: [Float32Array.of(0.2, 0.8)],
 * });
 */
export function judgeAnswers(documents: AnsweredDocuments): ClassifierEvaluation {
  if (documents.task === 'regression') return judgeNumbers(documents);
  return documents.task === 'multiLabel' ? judgeSeveralLabels(documents) : judgeLabels(documents);
}

function judgeLabels(documents: AnsweredDocuments): SingleLabelEvaluation {
  const { labels, texts, targets, answers } = documents;
  const classes = targets.map(likeliest);
  const losses = classes.map((wanted, index) => surprise(answers[index]?.[wanted] ?? 0));
  const wrong = classes.keys().filter((index) => likeliest(answers[index] ?? new Float32Array()) !== classes[index]);
  return {
    task: 'singleLabel',
    labels,
    metrics: classifierMetrics(labels, classes, answers),
    reliability: reliabilities(documents),
    mostWrong: worst([...wrong], losses).map((index) => {
      const answer = answers[index] ?? new Float32Array();
      const [wanted, given] = [classes[index] ?? 0, likeliest(answer)];
      return {
        text: excerpt(texts[index]),
        wanted: labels[wanted] ?? '',
        given: labels[given] ?? '',
        probability: answer[given] ?? 0,
        wantedProbability: answer[wanted] ?? 0,
      };
    }),
  };
}

function judgeSeveralLabels(documents: AnsweredDocuments): MultiLabelEvaluation {
  const { labels, texts, targets, answers } = documents;
  const losses = targets.map((target, index) => binaryEntropy(target, answers[index] ?? new Float32Array()));
  const decisions = targets.map((target, index) =>
    labels.map((label, place) => {
      const probability = answers[index]?.[place] ?? 0;
      return { label, probability, wanted: (target[place] ?? 0) > 0.5, given: probability >= GIVEN_FROM };
    }),
  );
  const wrong = [...decisions.keys()].filter((index) => decisions[index]?.some(({ wanted, given }) => wanted !== given));
  return {
    task: 'multiLabel',
    labels,
    metrics: multiLabelMetrics(labels, targets, answers),
    reliability: reliabilities(documents),
    mostWrong: worst(wrong, losses).map((index) => {
      const ofDocument = decisions[index] ?? [];
      return {
        text: excerpt(texts[index]),
        wanted: ofDocument.filter(({ wanted }) => wanted).map(({ label }) => label),
        given: ofDocument.filter(({ given }) => given).map(({ label }) => label),
        wrong: ofDocument.filter(({ wanted, given }) => wanted !== given).map(({ label, probability }) => ({ label, probability })),
      };
    }),
  };
}

function judgeNumbers({ texts, targets, answers }: AnsweredDocuments): RegressionEvaluation {
  const wanted = targets.map(([number = Number.NaN]) => number);
  const given = answers.map(([number = Number.NaN]) => number);
  const pairs = wanted.map((number, index) => [number, given[index] ?? Number.NaN] as const);
  const errors = pairs.map(([a, b]) => Math.abs(a - b));
  return {
    task: 'regression',
    metrics: regressionMetrics(wanted, given),
    points: evenly(pairs, POINTS_KEPT),
    mostWrong: worst([...pairs.keys()], errors).map((index) => {
      const [number = Number.NaN, answer = Number.NaN] = pairs[index] ?? [];
      return { text: excerpt(texts[index]), wanted: number, given: answer };
    }),
  };
}

/**
 * How reliable the probabilities are as they are given, and what a temperature does to them: the model's own, where it has one, or else
 * the one that suits these documents best.
 */
function reliabilities(documents: AnsweredDocuments): Reliability[] {
  const { answers, targets, averaged = false, temperature: own = 1 } = documents;
  const task = documents.task === 'multiLabel' ? 'multiLabel' : 'singleLabel';
  const undivided = logitsOf(task, answers).map((row) => row.map((logit) => logit * own));
  const scaled = (name: Reliability['answers'], temperature: number): Reliability => ({
    answers: name,
    ...(!averaged && { temperature }),
    ...reliabilityOf(task, targets, name === 'given' ? answers : probabilitiesAt(task, undivided, temperature)),
  });
  return [scaled('given', own), own === 1 ? scaled('fitted', bestTemperature(task, undivided, targets)) : scaled('unscaled', 1)];
}

/** The temperature that suits documents best, by what a classifier answers with. */
export function bestTemperature(
  task: 'singleLabel' | 'multiLabel',
  logits: readonly Float32Array[],
  targets: readonly Float32Array[],
): number {
  return task === 'multiLabel' ? fitMultiLabelTemperature(logits, targets) : fitTemperature(logits, targets.map(likeliest));
}

/** How reliable probabilities are. */
export function reliabilityOf(
  task: 'singleLabel' | 'multiLabel',
  targets: readonly Float32Array[],
  probabilities: readonly Float32Array[],
): Pick<Reliability, 'loss' | 'calibrationError' | 'bins'> {
  if (task === 'multiLabel') {
    const bins = multiLabelBins(targets, probabilities);
    const losses = targets.map((target, index) => binaryEntropy(target, probabilities[index] ?? new Float32Array()));
    const loss = losses.reduce((sum, value) => sum + value, 0) / losses.length;
    return { loss, calibrationError: expectedCalibrationError(bins), bins };
  }
  const classes = targets.map(likeliest);
  const bins = singleLabelBins(classes, probabilities);
  return { loss: accuracyAndLoss(classes, probabilities).loss, calibrationError: expectedCalibrationError(bins), bins };
}

/** Some documents, those with the greatest loss first. */
function worst(documents: readonly number[], losses: readonly number[]): number[] {
  return documents.toSorted((a, b) => (losses[b] ?? 0) - (losses[a] ?? 0)).slice(0, WRONG_KEPT);
}

/** The beginning of a document, its fields one after the other. */
function excerpt(fields: readonly string[] = []): string {
  const text = fields.join(' · ').replaceAll(/\s+/g, ' ').trim();
  return text.length <= TEXT_KEPT ? text : `${text.slice(0, TEXT_KEPT).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/** At most so many of some things, taken at equal distances. */
function evenly<Item>(items: readonly Item[], most: number): Item[] {
  const step = Math.max(1, items.length / most);
  return Array.from({ length: Math.min(items.length, most) }, (_, index) => items[Math.floor(index * step)] as Item);
}
