import { UserError } from '../../text/errors.ts';
import type { Task } from '../model/task.ts';
import type { LabelledDocument, MultiLabelDocument, ReadOptions, TrainingDocument, ValuedDocument } from './document.ts';
import { readDocuments } from './readers.ts';

interface TargetSet<Document extends LabelledDocument> {
  /** Held in memory, in the order of the data. */
  readonly documents: readonly Document[];
  /** What is odd about the data without being wrong for certain: a sentence each. */
  readonly notes: readonly string[];
}

/** Documents with a label each, and the labels there are. */
export interface LabelledSet extends TargetSet<TrainingDocument> {
  readonly task: 'singleLabel';
  /** Each label once, in the order of their characters, or by value where all are numbers. A label's place is its class. */
  readonly labels: readonly string[];
}

/** Documents to which any number of labels apply, and the labels there are. */
export interface MultiLabelSet extends TargetSet<MultiLabelDocument> {
  readonly task: 'multiLabel';
  /** As in {@link LabelledSet}. */
  readonly labels: readonly string[];
}

/** Documents with a number each. */
export interface RegressionSet extends TargetSet<ValuedDocument> {
  readonly task: 'regression';
  readonly labels: readonly [];
  /** The smallest and the largest value. */
  readonly range: readonly [smallest: number, largest: number];
}

/** Where a set's text and targets stand. */
export type SetOptions = Pick<ReadOptions, 'text' | 'label' | 'labelSeparator'>;

/** From this many documents on, a label for each of them is no accident: the label column is the wrong one. */
const ALL_DIFFERENT_LIMIT = 10;

/** More labels than anybody gave to documents by hand. */
export const MOST_LABELS = 10_000;

/**
 * Reads a set for training, whatever the task.
 *
 * @throws UserError for bad input (see readDocuments), and where the targets leave nothing to learn
 * @example
 * const set = await loadTargets('articles.jsonl', { task: 'multiLabel' });
 * const targets = set.documents.map((document) => targetOf(document, set.task, set.labels));
 */
export async function loadTargets(
  path: string,
  { task = 'singleLabel', ...options }: SetOptions & { readonly task?: Task | undefined } = {},
): Promise<LabelledSet | MultiLabelSet | RegressionSet> {
  if (task === 'multiLabel') return loadMultiLabelSet(path, options);
  return task === 'regression' ? loadRegressionSet(path, options) : loadLabelledSet(path, options);
}

/**
 * Reads a labelled set for training.
 *
 * @throws UserError for bad input (see readDocuments), and where the labels leave nothing to learn
 * @example
 * const { documents, labels } = await loadLabelledSet('reviews.csv'); // labels: ['neg', 'pos']
 */
export async function loadLabelledSet(path: string, options: SetOptions = {}): Promise<LabelledSet> {
  const documents = await readAll(path, { ...options, task: 'singleLabel' }, isLabelled);
  const labels = labelsIn(documents.map(({ label }) => label));
  if (labels.length < 2) {
    throw new UserError(
      `${path}: all ${documents.length} documents have the label "${labels[0]}". A classifier needs at least two labels to tell apart.`,
    );
  }
  if (labels.length === documents.length && documents.length >= ALL_DIFFERENT_LIMIT) {
    throw new UserError(
      `${path}: every one of the ${documents.length} documents has a label of its own ("${labels[0]}", "${labels[1]}", …). Name the right column with --label.`,
    );
  }
  refuseTooMany(labels, path);
  return { task: 'singleLabel', documents, labels, notes: lookAlikes(labels) };
}

/**
 * Reads a set in which any number of labels may apply to a document.
 *
 * @throws UserError for bad input (see readDocuments), and where the labels leave nothing to learn
 * @example
 * const { documents, labels } = await loadMultiLabelSet('articles.jsonl'); // {"text": "…", "label": ["sport", "politics"]}
 */
export async function loadMultiLabelSet(path: string, options: SetOptions = {}): Promise<MultiLabelSet> {
  const documents = await readAll(path, { ...options, task: 'multiLabel' }, hasLabels);
  const all = documents.flatMap((document) => document.labels);
  const labels = labelsIn(all);
  const [first, second] = labels;
  if (first === undefined) {
    throw new UserError(`${path}: no label applies to any of the ${documents.length} documents. Name the right column with --label.`);
  }
  if (second === undefined) {
    throw new UserError(
      `${path}: "${first}" is the only label. Give the other documents a label too, such as "not ${first}", and train without --multi-label.`,
    );
  }
  if (labels.length === all.length && documents.length >= ALL_DIFFERENT_LIMIT) {
    throw new UserError(
      `${path}: no label ("${first}", "${second}", …) applies to more than one of the ${documents.length} documents. Name the right column with --label.`,
    );
  }
  refuseTooMany(labels, path);
  return { task: 'multiLabel', documents, labels, notes: [...lookAlikes(labels), ...multiLabelNotes(documents, labels)] };
}

/**
 * Reads a set in which each document has a number.
 *
 * @throws UserError for bad input (see readDocuments), and where all numbers are equal
 * @example
 * const { documents, range } = await loadRegressionSet('stars.csv', { label: 'stars' }); // range: [1, 5]
 */
export async function loadRegressionSet(path: string, options: SetOptions = {}): Promise<RegressionSet> {
  const documents = await readAll(path, { ...options, task: 'regression' }, hasValue);
  let smallest = Infinity;
  let largest = -Infinity;
  for (const { value } of documents) {
    smallest = Math.min(smallest, value);
    largest = Math.max(largest, value);
  }
  if (smallest === largest) {
    throw new UserError(`${path}: all ${documents.length} documents have the value ${smallest}. There is nothing to tell apart.`);
  }
  return { task: 'regression', documents, labels: [], range: [smallest, largest], notes: [] };
}

/** All documents of a set. The reader refuses those without a target, so none is left out. */
async function readAll<Document extends LabelledDocument>(
  path: string,
  options: ReadOptions,
  isWhole: (document: LabelledDocument) => document is Document,
): Promise<Document[]> {
  const documents: Document[] = [];
  for await (const document of readDocuments(path, { ...options, labels: 'required' })) {
    if (isWhole(document)) documents.push(document);
  }
  return documents;
}

/** Whether a document has a label. */
export function isLabelled(document: LabelledDocument): document is TrainingDocument {
  return document.label !== undefined;
}

function hasLabels(document: LabelledDocument): document is MultiLabelDocument {
  return document.labels !== undefined;
}

function hasValue(document: LabelledDocument): document is ValuedDocument {
  return document.value !== undefined;
}

function labelsIn(all: readonly string[]): string[] {
  const labels = [...new Set(all)].toSorted();
  return labels.every(isNumber) ? labels.sort((a, b) => Number(a) - Number(b)) : labels;
}

function isNumber(label: string): boolean {
  return Number.isFinite(Number(label));
}

function refuseTooMany(labels: readonly string[], path: string): void {
  if (labels.length <= MOST_LABELS) return;
  throw new UserError(
    `${path}: there are ${labels.length} different labels ("${labels[0]}", "${labels[1]}", …), and at most ${MOST_LABELS} can be told apart. ` +
      'Name the right column with --label.',
  );
}

/** Pairs of labels that are shown in a note. */
const SHOWN = 3;

/** Labels that a person would take for the same one. */
function lookAlikes(labels: readonly string[]): string[] {
  const groups = [...Map.groupBy(labels, (label) => label.normalize('NFKC').toLowerCase().replace(/\s+/g, '')).values()];
  const alike = groups.filter((group) => group.length > 1).map((group) => group.map((label) => `"${label}"`).join(' and '));
  if (alike.length === 0) return [];
  const more = alike.length > SHOWN ? `, and ${alike.length - SHOWN} more` : '';
  return [
    `These labels differ in case, spaces or encoding alone, and are learned as different ones: ${alike.slice(0, SHOWN).join('; ')}${more}.`,
  ];
}

function multiLabelNotes(documents: readonly MultiLabelDocument[], labels: readonly string[]): string[] {
  const notes: string[] = [];
  if (documents.every((document) => document.labels.length < 2)) {
    notes.push(
      'No document has more than one label. If labels are joined by another sign, name it with --label-separator; ' +
        'if each document has just one, train without --multi-label.',
    );
  }
  const always = labels.filter((label) => documents.every((document) => document.labels.includes(label)));
  if (always.length > 0) notes.push(`Every document has the label "${always.join('" and "')}": there is nothing to learn about it.`);
  return notes;
}

/**
 * What a classifier's outputs should be for a document: 1 at each of its labels and 0 elsewhere, `[labels]`; of task `regression` its
 * value, `[1]`.
 *
 * @throws RangeError where the document has no target of this task, or a label outside `labels` (see {@link checkLabels})
 * @example targetOf({ fields, labels: ['a', 'c'], … }, 'multiLabel', ['a', 'b', 'c']) // Float32Array [1, 0, 1]
 */
export function targetOf(document: LabelledDocument, task: Task, labels: readonly string[]): Float32Array {
  const { label, value, origin } = document;
  if (task === 'regression') {
    if (value === undefined) throw new RangeError(`${origin}: the document has no value.`);
    return Float32Array.of(value);
  }
  const own = task === 'multiLabel' ? document.labels : label === undefined ? undefined : [label];
  if (own === undefined) throw new RangeError(`${origin}: the document has no label.`);
  const target = new Float32Array(labels.length);
  for (const each of own) {
    const place = labels.indexOf(each);
    if (place < 0) throw new RangeError(`${origin}: "${each}" is not one of the labels.`);
    target[place] = 1;
  }
  return target;
}

/**
 * Makes sure that a classifier can be judged by these documents.
 *
 * @param known the labels the classifier was trained on
 * @throws UserError naming the first label that it has never seen, and where it stands
 */
export function checkLabels(documents: readonly LabelledDocument[], known: readonly string[]): void {
  const given = new Set(known);
  for (const { label, labels = label === undefined ? [] : [label], origin } of documents) {
    const stranger = labels.find((each) => !given.has(each));
    if (stranger === undefined) continue;
    throw new UserError(
      `${origin}: the model does not know the label "${stranger}". It was trained on: ${known.map((each) => `"${each}"`).join(', ')}. ` +
        'Rename the label or leave the document out.',
    );
  }
}
