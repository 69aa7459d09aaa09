import { UserError } from '../../text/errors.ts';
import { isBlank, type LabelledDocument, type ReadOptions } from './document.ts';
import { describe, missingTarget, readTarget, type TargetColumn, targetNames } from './targetColumn.ts';

const DEFAULT_TEXT = 'text';

/** The columns that make a document out of a record. */
export interface Columns {
  readonly text: readonly string[];
  readonly target: TargetColumn | undefined;
  readonly targetRequired: boolean;
}

/** One record of a file: a row of a table, or a JSON object. */
export interface SourceRecord {
  readonly values: Readonly<Record<string, unknown>>;
  /** `reviews.csv:17` */
  readonly origin: string;
}

/**
 * Decides from the columns of a header (or of a first JSON object) where text and label are.
 *
 * @throws UserError listing the columns found, where one is missing
 */
export function chooseColumns(found: readonly string[], options: ReadOptions, origin: string): Columns {
  const target = chooseTarget(found, options, origin);
  const text = options.text?.length ? options.text : [defaultText(found, options, origin)];
  for (const name of text) {
    if (!found.includes(name)) throw new UserError(`${missing(found, name, origin)} Name the text columns with --text.`);
  }
  const both = text.find((name) => name === target?.name);
  if (both !== undefined)
    throw new UserError(`${origin}: column "${both}" cannot be both text and label. Name two different columns with --text and --label.`);
  return { text, target, targetRequired: (options.labels ?? 'required') === 'required' };
}

function chooseTarget(found: readonly string[], options: ReadOptions, origin: string): TargetColumn | undefined {
  const labels = options.labels ?? 'required';
  if (labels === 'ignored') return undefined;
  const name = targetName(found, options);
  const needed = labels === 'required' || options.label !== undefined;
  if (needed && !found.includes(name)) throw new UserError(`${missing(found, name, origin)} Name the label column with --label.`);
  return { name, task: options.task ?? 'singleLabel', separator: options.labelSeparator };
}

/** The label column's name, whether it is there or not. */
function targetName(found: readonly string[], options: ReadOptions): string {
  const names = targetNames(options);
  return names.find((name) => found.includes(name)) ?? names[0] ?? '';
}

function defaultText(found: readonly string[], options: ReadOptions, origin: string): string {
  if (found.includes(DEFAULT_TEXT)) return DEFAULT_TEXT;
  const label = targetName(found, options);
  // A nameless column is a row number that a data frame left behind.
  const others = found.filter((name) => name !== label && name !== '');
  const [only] = others;
  if (only !== undefined && others.length === 1) return only;
  throw new UserError(`${missing(found, DEFAULT_TEXT, origin)} Name the text columns with --text.`);
}

function missing(found: readonly string[], name: string, origin: string): string {
  const separator = [';', '\t', '|'].find((mark) => found.length === 1 && found[0]?.includes(mark));
  const hint =
    separator === undefined
      ? ''
      : ` The columns seem to be separated by ${JSON.stringify(separator)}: use commas, or tabs and the ending .tsv.`;
  return `${origin}: there is no column "${name}". The columns are: ${found.map((column) => JSON.stringify(column)).join(', ')}.${hint}`;
}

/**
 * Picks text and label out of a record. A null field of several is an empty one.
 *
 * @throws UserError for a text that is missing, empty or not a string, and for a label that is missing though required or of another
 *   kind than the task wants
 */
export function documentOf({ values, origin }: SourceRecord, columns: Columns): LabelledDocument {
  const fields = columns.text.map((name) => textOf(values, name, origin));
  if (fields.every(isBlank)) {
    const names = columns.text.map((name) => `"${name}"`).join(' and ');
    throw new UserError(`${origin}: the text in column ${names} is empty. Remove the record or give it a text.`);
  }
  if (columns.target === undefined) return { fields, label: undefined, origin };
  const { name } = columns.target;
  const target = readTarget(Object.hasOwn(values, name) ? values[name] : undefined, columns.target, origin);
  if (target === undefined && columns.targetRequired) throw missingTarget(columns.target, origin);
  return { fields, label: undefined, ...target, origin };
}

function textOf(values: SourceRecord['values'], name: string, origin: string): string {
  if (!Object.hasOwn(values, name)) throw new UserError(`${missing(Object.keys(values), name, origin)} Every record needs it.`);
  const value = values[name];
  if (value === null) return '';
  if (typeof value === 'string') return value;
  throw new UserError(`${origin}: the text in column "${name}" must be a string, but is ${describe(value)}.`);
}
