import { readModel, type StoredModel } from '../checkpoint/modelFolder.ts';
import { readCorpusFields } from '../data/corpus.ts';
import { encodeWith } from '../data/encodeCorpus.ts';
import { checkLabels } from '../data/labelledSet.ts';
import { readDocuments } from '../data/readers.ts';
import { tf } from '../engine/operations.ts';
import { toDevice } from '../engine/transfer.ts';
import { languageModelEntropy } from '../recipe/languageModelTask.ts';
import { PRETRAINING } from '../recipe/defaults.ts';
import { TrainedClassifier } from '../recipe/trainedClassifier.ts';
import { confusionTable, percent } from '../report/tables.ts';
import { classifierMetrics } from '../report/metrics.ts';
import { printJson, printLine } from '../report/results.ts';
import { UserError } from '../../text/errors.ts';
import { UNKNOWN_ID } from '../../text/vocabulary.ts';
import type { EvaluateOptions } from './options.ts';

/**
 * `ulmfit evaluate`: what a classifier gets right on labelled documents, or the perplexity of a language model on text.
 *
 * @throws UserError for data that cannot be read, or labels that the model does not know
 */
export async function evaluate(folder: string, data: string, options: EvaluateOptions): Promise<void> {
  const model = await readModel(folder);
  if (model.description.kind === 'languageModel') await evaluateLanguageModel(model, data, options);
  else await evaluateClassifier(model, data, options);
}

async function evaluateClassifier(model: StoredModel, data: string, { text, label, json }: EvaluateOptions): Promise<void> {
  const classifier = new TrainedClassifier(model);
  const { labels } = classifier;
  const documents = await Array.fromAsync(readDocuments(data, { text, label }));
  checkLabels(documents, labels);
  const classes = documents.map((document) => labels.indexOf(document.label ?? ''));
  const probabilities = classifier.probabilities(documents.map(({ fields }) => classifier.encode(fields)));
  classifier.dispose();
  const metrics = classifierMetrics(labels, classes, probabilities);
  if (json) return printJson(metrics);
  await printLine(`accuracy  ${percent(metrics.accuracy)}  (${metrics.n} documents)`);
  await printLine(`loss      ${metrics.loss.toFixed(4)} nats a document`);
  await printLine(`macro F1  ${percent(metrics.macroF1)}`);
  await printLine(`calibration error  ${percent(metrics.calibrationError)}`);
  await printLine('');
  await printLine(confusionTable(labels, metrics));
}

async function evaluateLanguageModel(model: StoredModel, data: string, { text, json }: EvaluateOptions): Promise<void> {
  const { description, vocabulary } = model;
  const corpus = await encodeWith(readCorpusFields(data, { text }), vocabulary);
  const parameters = toDevice(model.tensors);
  if (corpus.ids.length < 2)
    throw new UserError(`${data} has only ${corpus.ids.length} tokens; a language model predicts each word from those before it.`);
  const loss = languageModelEntropy(description.sizes, parameters, corpus, {
    batch: PRETRAINING.batch,
    bptt: description.chunkLength,
    backwards: description.direction === 'backward',
  });
  tf.dispose([...parameters.values()]);
  const unknown = Array.from(corpus.ids).filter((id) => id === UNKNOWN_ID).length / corpus.ids.length;
  const metrics = { n: corpus.ids.length, loss, perplexity: Math.exp(loss), unknownRate: unknown };
  if (json) return printJson(metrics);
  await printLine(`loss        ${loss.toFixed(4)} nats a token  (${metrics.n.toLocaleString('en')} tokens)`);
  await printLine(`perplexity  ${metrics.perplexity.toFixed(2)}`);
  await printLine(`unknown     ${percent(unknown)} of the tokens are not in the vocabulary`);
}
