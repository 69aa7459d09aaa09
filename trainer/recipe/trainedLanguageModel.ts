import { readMembers, type StoredModel } from '../checkpoint/modelFolder.ts';
import { tf } from '../engine/operations.ts';
import { toDevice } from '../engine/transfer.ts';
import type { Parameters } from '../model/awdLstm.ts';

/**
 * A trained language model on the training engine, ready to write text.
 *
 * @example
 * const model = await TrainedLanguageModel.open('models/wiki-small');
 * console.log(generateText(model, { prompt: 'The river', words: 30 }).text);
 * model.dispose();
 */
export class TrainedLanguageModel {
  readonly model: StoredModel;
  readonly parameters: Parameters;

  constructor(model: StoredModel) {
    this.model = model;
    this.parameters = toDevice(model.tensors);
  }

  /**
   * Opens a model folder; of a pair of folders the forward model.
   *
   * @throws UserError where the folder holds no language model that this program can read
   */
  static async open(folder: string): Promise<TrainedLanguageModel> {
    const [model] = await readMembers(folder, 'languageModel');
    return new TrainedLanguageModel(model as StoredModel);
  }

  dispose(): void {
    tf.dispose([...this.parameters.values()]);
  }
}
