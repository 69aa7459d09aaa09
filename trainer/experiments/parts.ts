import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from '../checkpoint/atomicFile.ts';
import { readCorpusFields } from '../data/corpus.ts';
import type { LabelledDocument, TargetDocument } from '../data/document.ts';
import { checkLabels, loadLabelledSet, loadTargets, type SetOptions } from '../data/labelledSet.ts';
import { readDocuments } from '../data/readers.ts';
import type { Task } from '../model/task.ts';
import { DEFAULT_SEED } from '../recipe/defaults.ts';
import { readSets } from '../recipe/heldOut.ts';
import { UserError } from '../../text/errors.ts';

/** Where an experiment's documents come from. */
export interface PartOptions extends SetOptions {
  /** Default: one label a document. */
  readonly task?: Task | undefined;
  /** Documents that the classifiers are judged on; default: `testFraction` of the data. */
  readonly test?: string | undefined;
  readonly testFraction: number;
  /** Documents that decide when training stops; default: `validFraction` of what is left without the test part. */
  readonly valid?: string | undefined;
  readonly validFraction: number;
  /** Further text, for language models alone. */
  readonly unlabelled?: string | undefined;
}

/**
 * The parts of a data set, each a JSON Lines file in an experiment's folder, with the text in `text` (or `text1`, `text2`, …) and the target in
 * `label`, whatever the columns were called. They are the same for all runs.
 */
export interface Parts {
  /** Where they lie. */
  readonly folder: string;
  /** What labels are drawn from. */
  readonly train: Part;
  readonly valid: Part;
  readonly test: Part;
  /** For language models: all but the test part, and the unlabelled text. */
  readonly text: Part;
  /** None for regression. */
  readonly labels: readonly string[];
  /** Text columns of the files, where there are several. */
  readonly columns?: readonly string[];
  /** What is odd about the data, a sentence each. */
  readonly notes: readonly string[];
}

export interface Part {
  /** Of its file. */
  readonly name: string;
  readonly documents: number;
  /** Characters of text: a measure of the work that a part makes. */
  readonly characters: number;
}

/** The file of a part. */
export function pathOf(parts: Pick<Parts, 'folder'>, part: Part): string {
  return join(parts.folder, part.name);
}

/** Written last: with it, the parts are complete. */
const PARTS_FILE = 'parts.json';

/** The parts are drawn once, the same for all seeds of an experiment. */
const SPLIT_SEED = DEFAULT_SEED;

/**
 * Cuts a data set into its parts and writes them, or takes those that are there already.
 *
 * @param folder for the parts
 * @throws UserError for data that cannot be read or learnt from
 */
export async function prepareParts(data: string, options: PartOptions, folder: string): Promise<Parts> {
  const present = await readFile(join(folder, PARTS_FILE), 'utf8').catch(() => undefined);
  if (present !== undefined) return { ...(JSON.parse(present) as Omit<Parts, 'folder'>), folder };
  const { task, text, label, labelSeparator } = options;
  const columns = { task, text, label, labelSeparator };
  const whole = await loadTargets(data, columns);
  const read = (path: string): Promise<TargetDocument[]> => readJudges(path, columns, whole.labels);
  // All that a user names is read before anything is written.
  const givenTest = options.test === undefined ? undefined : await read(options.test);
  const givenValid = options.valid === undefined ? undefined : await read(options.valid);
  const share = { data, seed: SPLIT_SEED, ...columns };
  const outer = givenTest === undefined ? await readSets({ ...share, validationFraction: options.testFraction }) : undefined;
  const [rest, test] = [outer?.training ?? whole.documents, givenTest ?? outer?.validation ?? []];
  requireDocuments(test, 'to judge classifiers on', '--test', 'testFraction', options.testFraction);
  const unlabelled = options.unlabelled === undefined ? [] : await readUnlabelled(options.unlabelled, rest, columns.text);

  await mkdir(folder, { recursive: true });
  const files = new PartWriter(folder);
  const labelled = await files.write('labelled.jsonl', rest);
  const inner = { data: join(folder, labelled.name), seed: SPLIT_SEED, task, text: files.columns };
  const { training, validation } = await readSets({ ...inner, validationFraction: givenValid === undefined ? options.validFraction : 0 });
  const valid = givenValid ?? validation;
  requireDocuments(valid, 'to tell when training should stop', '--valid', 'validFraction', options.validFraction);
  const parts = {
    train: await files.write('train.jsonl', training),
    valid: await files.write('valid.jsonl', valid),
    test: await files.write('test.jsonl', test),
    text: unlabelled.length === 0 ? labelled : await files.write('text.jsonl', [...rest.map(withoutTarget), ...unlabelled]),
    labels: whole.labels,
    ...(files.columns !== undefined && { columns: files.columns }),
    notes: [...whole.notes, ...missingLabels(whole.labels, test)],
  };
  await writeFileAtomically(join(folder, PARTS_FILE), [new TextEncoder().encode(`${JSON.stringify(parts, null, 2)}\n`)]);
  return { ...parts, folder };
}

/**
 * Draws documents to train on, of each label as many as of every other one while they last, and writes them. With the same seed, a larger draw
 * holds all documents of a smaller one.
 *
 * @throws UserError where there are too few documents, or a label gets none
 */
export async function drawLabels(parts: Parts, task: Task | undefined, labels: number, seed: number): Promise<Part> {
  const config = { data: pathOf(parts, parts.train), text: parts.columns, task, labels, seed, validationFraction: 0 };
  const { training } = await readSets(config);
  return new PartWriter(parts.folder).write(`labels-${labels}-${seed}.jsonl`, training);
}

/** @returns a sentence for the rarest label, where it has too few documents for a balanced draw of so many */
export async function balanceNote(parts: Parts, task: Task | undefined, labels: number): Promise<string | undefined> {
  if (task !== undefined && task !== 'singleLabel') return undefined;
  const { documents } = await loadLabelledSet(pathOf(parts, parts.train), { text: parts.columns });
  const counts = Map.groupBy(documents, ({ label }) => label);
  const [rarest] = [...counts].map(([label, of]) => ({ label, count: of.length })).toSorted((a, b) => a.count - b.count);
  const wanted = Math.floor(labels / counts.size);
  if (rarest === undefined || rarest.count >= wanted) return undefined;
  return `The label "${rarest.label}" has only ${rarest.count} documents to draw from: ${labels} labels are not balanced, which would take ${wanted} of it.`;
}

async function readJudges(
  path: string,
  columns: SetOptions & { readonly task?: Task | undefined },
  labels: readonly string[],
): Promise<TargetDocument[]> {
  const documents = (await Array.fromAsync(readDocuments(path, columns))) as TargetDocument[];
  checkLabels(documents, labels);
  return documents;
}

async function readUnlabelled(
  path: string,
  [first]: readonly LabelledDocument[],
  text: readonly string[] | undefined,
): Promise<LabelledDocument[]> {
  const documents: LabelledDocument[] = [];
  for await (const fields of readCorpusFields(path, { text })) documents.push({ fields, label: undefined, origin: path });
  const [found, wanted] = [documents[0]?.fields.length, first?.fields.length];
  if (found !== wanted) {
    throw new UserError(`${path}: a text has ${found} column here, but ${wanted} in the data. Give text with the same columns (--text).`);
  }
  return documents;
}

function requireDocuments(documents: readonly unknown[], purpose: string, flag: string, name: string, share: number): void {
  if (documents.length > 0) return;
  throw new UserError(`No documents are left ${purpose}: ${name} is ${share}. Name some with ${flag}, or hold out a larger share.`);
}

function missingLabels(labels: readonly string[], test: readonly TargetDocument[]): string[] {
  const present = new Set(test.flatMap(({ label, labels: several = [] }) => [...several, ...(label === undefined ? [] : [label])]));
  const missing = labels.filter((label) => !present.has(label));
  return missing.length === 0 ? [] : [`The test part has no document with the label "${missing.join('" or "')}".`];
}

function withoutTarget({ fields, origin }: LabelledDocument): LabelledDocument {
  return { fields, label: undefined, origin };
}

/** Writes documents as JSON Lines, all with the same columns. */
class PartWriter {
  readonly #folder: string;
  columns: readonly string[] | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async write(name: string, documents: readonly LabelledDocument[]): Promise<Part> {
    const width = documents[0]?.fields.length ?? 1;
    if (width > 1) this.columns = Array.from({ length: width }, (_, index) => `text${index + 1}`);
    await writeFileAtomically(join(this.#folder, name), linesOf(documents, this.columns ?? ['text']));
    const characters = documents.reduce((sum, { fields }) => sum + fields.reduce((all, field) => all + field.length, 0), 0);
    return { name, documents: documents.length, characters };
  }
}

function* linesOf(documents: readonly LabelledDocument[], columns: readonly string[]): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  for (const { fields, label, labels, value } of documents) {
    const target = value ?? labels ?? label;
    const record = {
      ...(target !== undefined && { label: target }),
      ...Object.fromEntries(columns.map((name, index) => [name, fields[index]])),
    };
    yield encoder.encode(`${JSON.stringify(record)}\n`);
  }
}
