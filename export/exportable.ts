/** What can be exported: one trained classifier, or two that read in opposite directions and answer the same question. */
import { UserError } from '../text/errors.ts';
import { TOKENIZER_VERSION } from '../text/tokenizer.ts';
import type { StoredModel } from '../trainer/checkpoint/modelFolder.ts';
import type { Bundle, Direction, ModelSizes, Task } from './bundle.ts';
import type { Tensor } from './graph/classifierWeights.ts';
import type { ReferenceClassifier } from './parity.ts';

/** What export needs to know of a model; the content of a model folder's `model.json`. */
export interface ExportableConfig {
  readonly kind: 'languageModel' | 'classifier';
  readonly tokenizerVersion: number;
  readonly direction: Direction;
  readonly sizes: ModelSizes;
  /** `singleLabel` unless told. */
  readonly task?: Task | undefined;
  readonly labels?: readonly string[] | undefined;
  /** Bounds of a regression. */
  readonly range?: readonly [low: number, high: number] | undefined;
  /** What the logits of labels are divided by; 1 unless told. */
  readonly temperature?: number | undefined;
  readonly chunkLength?: number | undefined;
  readonly metrics?: Readonly<Record<string, unknown>> | undefined;
  readonly dataLicence?: string | undefined;
}

/** A trained classifier in memory. */
export interface ExportableModel {
  /** Float32 tensors by the names of the model folder. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly config: ExportableConfig;
  /** The tokens in the order of their ids. */
  readonly vocabulary: readonly string[];
}

/** A trained classifier and its trainer, against which the graph is checked. */
export interface ExportableMember extends ExportableModel {
  readonly reference: ReferenceClassifier;
}

/**
 * A model as its folder holds it, and what answers for it.
 *
 * @example
 * const { members } = await TrainedClassifier.open('models/reviews');
 * const exportable = members.map((member) => exportableMember(member.model, (documents) => member.answers(documents)));
 */
export function exportableMember(model: StoredModel, answers: (documents: readonly Int32Array[]) => Float32Array[]): ExportableMember {
  const { description, tensors, vocabulary } = model;
  return { config: description, tensors, vocabulary: vocabulary.tokens, reference: async (documents) => answers(documents) };
}

/** What all members of a bundle have in common. */
export type SharedDescription = Pick<Bundle, 'task' | 'labels' | 'range' | 'dataLicence'>;

/**
 * Checks that models can make a bundle, and puts the forward one first.
 *
 * @throws UserError where one of them cannot be exported, or they do not belong together.
 */
export function orderedMembers(members: readonly ExportableMember[]): ExportableMember[] {
  for (const member of members) requireExportable(member);
  const forward = members.filter(({ config }) => config.direction === 'forward');
  const backward = members.filter(({ config }) => config.direction === 'backward');
  if (members.length === 0 || forward.length > 1 || backward.length > 1) {
    throw new UserError(
      `A bundle holds one classifier, or a forward and a backward one; ${forward.length} forward and ${backward.length} backward ones were given.`,
    );
  }
  return [...forward, ...backward];
}

/**
 * What the members have in common.
 *
 * @throws UserError where they do not answer the same question.
 */
export function sharedDescription(members: readonly ExportableModel[]): SharedDescription {
  const questions = members.map(({ config }) => questionOf(config));
  const [first] = questions;
  if (first === undefined) throw new RangeError('There is no model to describe.');
  for (const other of questions) {
    for (const name of ['task', 'labels', 'range'] as const) {
      if (JSON.stringify(other[name]) === JSON.stringify(first[name])) continue;
      throw new UserError(`The forward and the backward classifier differ in ${name}. Train both on the same data for the same task.`);
    }
  }
  const licences = [...new Set(members.flatMap(({ config }) => config.dataLicence ?? []))];
  return { ...first, ...(licences.length === 0 ? {} : { dataLicence: licences.join('; ') }) };
}

function questionOf({ task = 'singleLabel', labels = [], range }: ExportableConfig): Pick<Bundle, 'task' | 'labels' | 'range'> {
  if (task === 'regression') return { task, labels: [], ...(range === undefined ? {} : { range: [...range] }) };
  return { task, labels: [...labels] };
}

function requireExportable({ config, vocabulary }: ExportableModel): void {
  const { kind, task, labels, sizes, tokenizerVersion } = config;
  if (kind !== 'classifier' || (task !== 'regression' && labels === undefined)) {
    throw new UserError(
      'The model is a language model, which has no labels to answer with. Train a classifier from it with `ulmfit train`, and export that.',
    );
  }
  if (vocabulary.length !== sizes.vocabulary) {
    throw new UserError(
      `vocabulary.json has ${vocabulary.length} tokens, but model.json says ${sizes.vocabulary}. ` +
        'The files of the model folder do not belong together; copy the folder again or retrain.',
    );
  }
  if (tokenizerVersion !== TOKENIZER_VERSION) {
    throw new UserError(
      `The model was trained with version ${tokenizerVersion} of the tokenizer; this program exports version ${TOKENIZER_VERSION}. Use a newer ulmfit.`,
    );
  }
}
