/** Trained models, and what can be done with them. The engine is loaded by the first function that computes. */
import type { TrainedClassifier } from '../recipe/trainedClassifier.ts';
import type { CalibrationResult } from '../recipe/calibrateModel.ts';
import type { EvaluationColumns } from '../recipe/evaluate.ts';
import type { Explanation, ExplainOptions } from '../../text/explanation.ts';
import type { GeneratedText, GenerateOptions, TextEnding } from '../recipe/generate.ts';
import type { TrainedLanguageModel } from '../recipe/trainedLanguageModel.ts';
import type { Evaluation } from '../report/evaluation.ts';

/**
 * Opens a classifier, or a pair of them, to answer again and again. `dispose()` gives its memory back.
 *
 * @param folder a model folder, or a pair of them
 * @throws UserError where the folder holds no classifier that this program can read
 * @example
 * const classifier = await openClassifier('models/reviews');
 * const [probabilities] = classifier.answers([['The film is great and funny.']]); // one for each of classifier.labels
 * classifier.labels; // ['neg', 'pos']
 * classifier.dispose();
 */
export async function openClassifier(folder: string): Promise<TrainedClassifier> {
  return (await import('../recipe/trainedClassifier.ts')).TrainedClassifier.open(folder);
}

/**
 * Opens a language model to write text with; of a pair the forward one. `dispose()` gives its memory back.
 *
 * @param folder a model folder, or a pair of them
 * @throws UserError where the folder holds no language model that this program can read
 * @example
 * const model = await openLanguageModel('models/wiki-small');
 * model.model.description.direction; // 'forward'
 * model.dispose();
 */
export async function openLanguageModel(folder: string): Promise<TrainedLanguageModel> {
  return (await import('../recipe/trainedLanguageModel.ts')).TrainedLanguageModel.open(folder);
}

/**
 * What a classifier gets right on labelled documents, or the loss and perplexity of a language model on text. Of a pair of classifiers the
 * mean of both answers is judged, of a pair of language models each.
 *
 * @param folder a model folder, or a pair of them
 * @param data labelled documents; a corpus for a language model
 * @throws UserError for a model or data that cannot be read, or labels that the model does not know
 * @example
 * const evaluation = await evaluateModel('models/reviews', 'test.csv');
 * if (evaluation.task === 'singleLabel') console.log(evaluation.metrics.accuracy, evaluation.metrics.confusion);
 */
export async function evaluateModel(folder: string, data: string, columns: EvaluationColumns = {}): Promise<Evaluation> {
  return (await import('../recipe/evaluate.ts')).evaluateModel(folder, data, columns);
}

/**
 * Writes an evaluation as a page that stands alone: figures, confusion matrix, calibration, what the model gets most wrong.
 *
 * @param path the HTML file to write
 * @param of the model folder and the data that it was evaluated on, to name them
 * @example
 * const evaluation = await evaluateModel('models/reviews', 'test.csv');
 * await writeEvaluationReport('reviews.html', evaluation, { model: 'models/reviews', data: 'test.csv' });
 */
export async function writeEvaluationReport(
  path: string,
  evaluation: Evaluation,
  of: { readonly model: string; readonly data: string },
): Promise<void> {
  return (await import('../report/evaluationReport.ts')).writeEvaluationReport(path, evaluation, of);
}

/**
 * Makes a classifier's probabilities mean what they say, by documents that it was not trained on: temperature scaling (Guo et al. 2017).
 * Its model.json is changed; export it after that.
 *
 * @param data labelled documents, at least 20
 * @throws UserError for a model without probabilities, data that cannot be read, and too few documents
 * @example
 * const { before, after } = await calibrateModel('models/reviews', 'test.csv');
 * after.loss <= before.loss; // true
 */
export async function calibrateModel(folder: string, data: string, columns: EvaluationColumns = {}): Promise<CalibrationResult> {
  return (await import('../recipe/calibrateModel.ts')).calibrateModel(folder, data, columns);
}

/**
 * Explains a classifier's answer to a document: how it moves word by word, and what each word contributes to it.
 *
 * @param fields the document's text columns
 * @throws UserError for a label that the classifier does not know
 * @example
 * const classifier = await openClassifier('models/reviews');
 * const { label, words } = await explainDocument(classifier, ['The film is great and funny.']);
 * words.map(({ text, occlusion }) => `${text} ${occlusion?.toFixed(2)}`); // what each word adds to the probability of `label`
 * classifier.dispose();
 */
export async function explainDocument(
  classifier: TrainedClassifier,
  fields: readonly string[],
  options: ExplainOptions = {},
): Promise<Explanation> {
  return (await import('../recipe/explain.ts')).explainDocument(classifier, fields, options);
}

/**
 * Lets a language model write a text.
 *
 * @throws UserError where an option has a value that makes no sense
 * @example
 * const model = await openLanguageModel('models/wiki-small');
 * const { text } = await generateText(model, { prompt: 'The river', words: 30, temperature: 0.7, seed: 1 });
 * text; // 'The river…'
 * model.dispose();
 */
export async function generateText(model: TrainedLanguageModel, options: GenerateOptions = {}): Promise<GeneratedText> {
  return (await import('../recipe/generate.ts')).generateText(model, options);
}

/**
 * The same token by token, as they are drawn.
 *
 * @throws UserError where an option has a value that makes no sense
 * @example
 * const model = await openLanguageModel('models/wiki-small');
 * for await (const token of generateTokens(model, { prompt: 'The river', words: 5 })) console.log(token);
 * model.dispose();
 */
export async function* generateTokens(model: TrainedLanguageModel, options: GenerateOptions = {}): AsyncGenerator<string, TextEnding> {
  return yield* (await import('../recipe/generate.ts')).generate(model, options);
}
