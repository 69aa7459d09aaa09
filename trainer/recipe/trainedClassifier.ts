import { readMembers, type StoredModel } from '../checkpoint/modelFolder.ts';
import { tf, type Tensor } from '../engine/operations.ts';
import { toDevice } from '../engine/transfer.ts';
import { encodeDocument } from '../data/encodeDocument.ts';
import type { Answering } from '../model/objective.ts';
import type { Task } from '../model/task.ts';
import { UserError } from '../../text/errors.ts';
import { classifierAnswers } from './classifierTask.ts';

/**
 * A trained classifier on the training engine, of one direction or both: the yardstick for every exported form of it.
 *
 * @example
 * const classifier = await TrainedClassifier.open('models/reviews');
 * const [probabilities] = classifier.answers([['A fine film.']]); // in the order of classifier.labels
 */
export class TrainedClassifier {
  /** One for each direction, forward first. */
  readonly members: readonly ClassifierMember[];

  constructor(models: readonly StoredModel[]) {
    if (models.length === 0) throw new UserError('A classifier needs at least one model.');
    this.members = models.map((model) => new ClassifierMember(model));
  }

  /** @throws UserError where the folder holds no classifier, or pair of them, that this program can read */
  static async open(folder: string): Promise<TrainedClassifier> {
    return new TrainedClassifier(await readMembers(folder, 'classifier'));
  }

  /** The labels in the order of the probabilities; none for regression. */
  get labels(): readonly string[] {
    return this.#first.model.description.labels ?? [];
  }

  get task(): Task {
    return this.#first.task;
  }

  /**
   * The answer to each document, given as its text columns, in the order given: probabilities of the labels, or one number. Documents may
   * have any length. Two directions answer with the mean of theirs (Howard & Ruder 2018, section 4.1).
   */
  answers(documents: readonly (readonly string[])[]): Float32Array[] {
    const each = this.members.map((member) => member.answers(documents.map((fields) => member.encode(fields))));
    return documents.map((_, index) => mean(each.map((answers) => answers[index] as Float32Array)));
  }

  dispose(): void {
    for (const member of this.members) member.dispose();
  }

  get #first(): ClassifierMember {
    return this.members[0] as ClassifierMember;
  }
}

/** A classifier of one direction. */
export class ClassifierMember {
  readonly model: StoredModel;
  readonly parameters: ReadonlyMap<string, Tensor>;

  constructor(model: StoredModel) {
    this.model = model;
    this.parameters = toDevice(model.tensors);
  }

  get task(): Task {
    return this.model.description.task ?? 'singleLabel';
  }

  /** How this model's outputs become answers. */
  get answering(): Answering {
    const { range, temperature } = this.model.description;
    return { task: this.task, range, temperature };
  }

  /** Token ids of a document, given as its text columns, in the order in which this member reads them. */
  encode(fields: readonly string[]): Int32Array {
    return encodeDocument(fields, this.model.vocabulary, this.model.description.direction);
  }

  /** This member's answer to each document, given as its ids. */
  answers(documents: readonly Int32Array[]): Float32Array[] {
    const { sizes, chunkLength } = this.model.description;
    return classifierAnswers(sizes, this.parameters, documents, { bptt: chunkLength }, this.answering);
  }

  dispose(): void {
    tf.dispose([...this.parameters.values()]);
  }
}

function mean(answers: readonly Float32Array[]): Float32Array {
  const [first = new Float32Array()] = answers;
  return first.map((_, index) => answers.reduce((sum, answer) => sum + (answer[index] ?? 0), 0) / answers.length);
}
