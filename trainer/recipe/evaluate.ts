import { readMembers, type StoredModel } from '../checkpoint/modelFolder.ts';
import { readCorpusFields } from '../data/corpus.ts';
import type { LabelledDocument, ReadOptions } from '../data/document.ts';
import { encodeWith } from '../data/encodeCorpus.ts';
import { corpusLength, countToken } from '../data/tokenCorpus.ts';
import { checkLabels, targetOf } from '../data/labelledSet.ts';
import { readDocuments } from '../data/readers.ts';
import { tf } from '../engine/operations.ts';
import { toDevice } from '../engine/transfer.ts';
import type { ClassifierEvaluation, Evaluation, LanguageModelMetrics } from '../report/evaluation.ts';
import { UserError } from '../../text/errors.ts';
import { UNKNOWN_ID } from '../../text/vocabulary.ts';
import { PRETRAINING } from './defaults.ts';
import { judgeAnswers } from './judgeAnswers.ts';
import { languageModelEntropy } from './languageModelTask.ts';
import { TrainedClassifier } from './trainedClassifier.ts';

/** Where text and labels stand in the data. */
export type EvaluationColumns = Pick<ReadOptions, 'text' | 'label' | 'labelSeparator'>;

/**
 * What a classifier gets right on labelled documents, or the loss of a language model on text. Of a pair of classifiers the mean of both
 * answers is judged, of a pair of language models each.
 *
 * @param folder a model folder, or a pair of them
 * @param data labelled documents; a corpus for a language model
 * @throws UserError for a model or data that cannot be read, or labels that the model does not know
 * @example
 * const evaluation = await evaluateModel('models/reviews', 'test.csv');
 * if (evaluation.task === 'singleLabel') console.log(evaluation.metrics.accuracy);
 */
export async function evaluateModel(folder: string, data: string, columns: EvaluationColumns = {}): Promise<Evaluation> {
  const models = await readMembers(folder);
  if (models[0]?.description.kind === 'classifier') {
    return evaluateClassifier(models, await readForClassifier(models, data, columns));
  }
  const members = [];
  for (const model of models) {
    members.push({ direction: model.description.direction, metrics: await judgeLanguageModel(model, data, columns) });
  }
  return { task: 'languageModel', members };
}

/**
 * Judges a classifier, or a pair of them, on documents in memory.
 *
 * @param documents with the targets of the classifier's task, of labels that it knows
 */
export function evaluateClassifier(models: readonly StoredModel[], documents: readonly LabelledDocument[]): ClassifierEvaluation {
  const classifier = new TrainedClassifier(models);
  try {
    const { task, labels } = classifier;
    const texts = documents.map(({ fields }) => fields);
    return judgeAnswers({
      task,
      labels,
      texts,
      targets: documents.map((document) => targetOf(document, task, labels)),
      answers: classifier.answers(texts),
      ...(models.length > 1 ? { averaged: true } : { temperature: models[0]?.description.temperature }),
    });
  } finally {
    classifier.dispose();
  }
}

/**
 * Reads documents that a classifier can be judged on.
 *
 * @throws UserError for data that cannot be read, and for labels that the model does not know
 */
export async function readForClassifier(
  models: readonly StoredModel[],
  data: string,
  columns: EvaluationColumns,
): Promise<LabelledDocument[]> {
  const { task, labels = [] } = models[0]?.description ?? {};
  const documents = await Array.fromAsync(readDocuments(data, { ...columns, task, labels: 'required' }));
  checkLabels(documents, labels);
  return documents;
}

async function judgeLanguageModel(model: StoredModel, data: string, { text }: EvaluationColumns): Promise<LanguageModelMetrics> {
  const { description, vocabulary } = model;
  const corpus = await encodeWith(readCorpusFields(data, { text }), vocabulary);
  const n = corpusLength(corpus);
  if (n < 2) {
    throw new UserError(`${data} has only ${n} tokens; a language model predicts each word from those before it.`);
  }
  const parameters = toDevice(model.tensors);
  const loss = languageModelEntropy(description.sizes, parameters, corpus, {
    batch: PRETRAINING.batch,
    bptt: description.chunkLength,
    backwards: description.direction === 'backward',
  });
  tf.dispose([...parameters.values()]);
  return { n, loss, perplexity: Math.exp(loss), unknownRate: countToken(corpus, UNKNOWN_ID) / n };
}
