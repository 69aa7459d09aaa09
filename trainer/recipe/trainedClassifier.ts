import { readModel, type StoredModel } from '../checkpoint/modelFolder.ts';
import { tf, type Tensor } from '../engine/operations.ts';
import { toDevice } from '../engine/transfer.ts';
import { encodeDocument } from '../data/encodeDocument.ts';
import { classifierProbabilities } from './classifierTask.ts';

/**
 * A trained classifier on the training engine: the yardstick for every exported form of it.
 *
 * @example
 * const classifier = await TrainedClassifier.open('models/reviews');
 * const [probabilities] = classifier.probabilities([classifier.encode(['A fine film.'])]);
 */
export class TrainedClassifier {
  readonly model: StoredModel;
  readonly #parameters: Map<string, Tensor>;

  constructor(model: StoredModel) {
    this.model = model;
    this.#parameters = toDevice(model.tensors);
  }

  /** @throws UserError where the folder holds no classifier that this program can read */
  static async open(folder: string): Promise<TrainedClassifier> {
    return new TrainedClassifier(await readModel(folder, 'classifier'));
  }

  /** The labels in the order of the probabilities. */
  get labels(): readonly string[] {
    return this.model.description.labels ?? [];
  }

  /** Token ids of a document, given as its text columns. */
  encode(fields: readonly string[]): Int32Array {
    return encodeDocument(fields, this.model.vocabulary, this.model.description.direction);
  }

  /** Probabilities of each document, in the order given. Documents may have any length. */
  probabilities(documents: readonly Int32Array[]): Float32Array[] {
    const { sizes, chunkLength } = this.model.description;
    return classifierProbabilities(sizes, this.#parameters, documents, { bptt: chunkLength });
  }

  dispose(): void {
    tf.dispose([...this.#parameters.values()]);
  }
}
