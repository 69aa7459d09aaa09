import { stat } from 'node:fs/promises';
import { join } from 'node:path';

import { BUNDLE_FILE } from '../../export/bundle.ts';
import { joinFields } from '../../text/tokenizer.ts';
import type { Explanation } from '../../text/explanation.ts';
import type { Answerer } from '../api/predict.ts';
import { locateBundle } from '../shippedModels.ts';

/** A classifier that answers documents, whatever runs it. */
export interface TextAnswerer extends Answerer {
  /** The same for the same model and nothing else: an interrupted run goes on with the model that began it, or not at all. */
  readonly identity: string;
  /**
   * The answer to each document, given as its text columns, in the order given: probabilities of the labels, or one number. Of the same
   * documents, together in one call, the same to the last bit.
   */
  answers(documents: readonly (readonly string[])[]): Promise<Float32Array[]>;
  /** What the answer to a document hangs on. */
  explain(fields: readonly string[]): Promise<Explanation>;
  dispose(): Promise<void>;
}

/**
 * Opens a bundle on onnxruntime, without the training engine, or a model folder on the training engine. Of a folder that holds a bundle and is no
 * model itself, and of a classifier that came with this program and is given by its name, it is the bundle.
 *
 * @throws UserError where the folder is neither
 */
export async function openAnswerer(pathOrName: string): Promise<TextAnswerer> {
  const isModel = await isFile(join(pathOrName, 'model.json'));
  const folder = isModel ? pathOrName : await locateBundle(pathOrName);
  return (await isFile(join(folder, BUNDLE_FILE))) ? openBundle(folder) : openModelFolder(pathOrName);
}

function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function openModelFolder(folder: string): Promise<TextAnswerer> {
  const { TrainedClassifier } = await import('../recipe/trainedClassifier.ts');
  const { explainDocument } = await import('../recipe/explain.ts');
  const classifier = await TrainedClassifier.open(folder);
  return {
    task: classifier.task,
    labels: classifier.labels,
    identity: JSON.stringify(classifier.members.map(({ model }) => model.description)),
    answers: (documents) => Promise.resolve(classifier.answers(documents)),
    explain: (fields) => Promise.resolve(explainDocument(classifier, fields)),
    dispose: () => Promise.resolve(classifier.dispose()),
  };
}

/** Documents in one graph call. */
const MAX_BATCH = 16;
/** Documents that wait for a place in the next graph call: enough that there is always one. */
const AT_ONCE = 2 * MAX_BATCH;

async function openBundle(folder: string): Promise<TextAnswerer> {
  const { loadBundle } = await import('../../serve/node/runtime.ts');
  const { Classifier } = await import('../../serve/classifier.ts');
  const { valuesOf } = await import('../../serve/answers.ts');
  const { explainText } = await import('../../serve/explain.ts');
  const classifier = new Classifier(await loadBundle(folder), { maxBatch: MAX_BATCH, maxQueue: AT_ONCE });
  const { bundle } = classifier;
  return {
    task: bundle.task,
    labels: bundle.labels,
    identity: JSON.stringify(bundle.checksums),
    async answers(documents) {
      const logits = await classifier.classify(documents.map(joinFields), { atOnce: AT_ONCE });
      return logits.map((members) => valuesOf(bundle, members));
    },
    explain: (fields) => explainText(classifier, fields),
    dispose: () => classifier.dispose(),
  };
}
