import { basename, resolve } from 'node:path';
import { exportModel } from '../../export/exportModel.ts';
import { UserError } from '../../text/errors.ts';
import { readDocuments } from '../data/readers.ts';
import { TrainedClassifier } from '../recipe/trainedClassifier.ts';
import { printJson } from '../report/results.ts';
import type { ExportOptions } from './options.ts';

/** Documents that are compared: enough to meet every kind, few enough to take seconds. */
const MOST_DOCUMENTS = 64;

/**
 * `ulmfit export`: a bundle of a classifier, written only where its answers equal the trainer's.
 *
 * @throws UserError where the model or the documents cannot be read, or --out holds something else
 * @throws Error where the bundle's answers differ
 */
export async function exportBundle(folder: string, options: ExportOptions): Promise<void> {
  const classifier = await TrainedClassifier.open(folder);
  const { description, tensors, vocabulary } = classifier.model;
  const parityDocuments: Int32Array[] = [];
  for await (const { fields } of readDocuments(options.documents, { text: options.text, labels: 'ignored' })) {
    parityDocuments.push(classifier.encode(fields));
    if (parityDocuments.length === MOST_DOCUMENTS) break;
  }
  if (parityDocuments.length === 0) throw new UserError(`${options.documents} holds no documents to compare on.`);
  const bundle = await exportModel({
    model: { tensors, config: description, vocabulary: vocabulary.tokens },
    out: options.out,
    name: options.name ?? basename(resolve(folder)),
    version: options.bundleVersion,
    reference: async (documents) => classifier.probabilities(documents),
    parityDocuments,
  });
  classifier.dispose();
  const { documents, maxProbabilityDifference, labelDisagreements } = bundle.parity;
  if (options.json) return printJson({ out: options.out, ...bundle.parity });
  console.error(
    `Written to ${options.out}: ${documents} documents, probabilities within ${maxProbabilityDifference.toPrecision(2)} of the trainer's, ` +
      `${labelDisagreements} labels differ.`,
  );
}
