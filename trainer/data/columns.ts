import { UserError } from '../../text/errors.ts';
import { isBlank, type LabelledDocument, type ReadOptions } from './document.ts';

const DEFAULT_TEXT = 'text';
const DEFAULT_LABEL = 'label';

/** The columns that make a document out of a record. */
export interface Columns {
  readonly text: readonly string[];
  readonly label: string | undefined;
  readonly labelRequired: boolean;
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
  const label = chooseLabel(found, options, origin);
  const text = options.text?.length ? options.text : [defaultText(found, options.label ?? DEFAULT_LABEL, origin)];
  for (const name of text) {
    if (!found.includes(name)) throw new UserError(`${missing(found, name, origin)} Name the text columns with --text.`);
  }
  const both = text.find((name) => name === label);
  if (both !== undefined)
    throw new UserError(`${origin}: column "${both}" cannot be both text and label. Name two different columns with --text and --label.`);
  return { text, label, labelRequired: (options.labels ?? 'required') === 'required' };
}

function chooseLabel(found: readonly string[], options: ReadOptions, origin: string): string | undefined {
  const labels = options.labels ?? 'required';
  if (labels === 'ignored') return undefined;
  const name = options.label ?? DEFAULT_LABEL;
  const needed = labels === 'required' || options.label !== undefined;
  if (needed && !found.includes(name)) throw new UserError(`${missing(found, name, origin)} Name the label column with --label.`);
  return name;
}

function defaultText(found: readonly string[], label: string, origin: string): string {
  if (found.includes(DEFAULT_TEXT)) return DEFAULT_TEXT;
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
 * Picks text and label out of a record. A null field of several is an empty one; a number or a truth value is a label like any other.
 *
 * @throws UserError for a text that is missing, empty or not a string, and for a label that is missing though required
 */
export function documentOf({ values, origin }: SourceRecord, columns: Columns): LabelledDocument {
  const fields = columns.text.map((name) => textOf(values, name, origin));
  if (fields.every(isBlank)) {
    const names = columns.text.map((name) => `"${name}"`).join(' and ');
    throw new UserError(`${origin}: the text in column ${names} is empty. Remove the record or give it a text.`);
  }
  const label = columns.label === undefined ? undefined : labelOf(values, columns.label, origin);
  if (label === undefined && columns.labelRequired) {
    throw new UserError(`${origin}: the label in column "${columns.label}" is missing. Give the record a label or remove it.`);
  }
  return { fields, label, origin };
}

function textOf(values: SourceRecord['values'], name: string, origin: string): string {
  if (!Object.hasOwn(values, name)) throw new UserError(`${missing(Object.keys(values), name, origin)} Every record needs it.`);
  const value = values[name];
  if (value === null) return '';
  if (typeof value === 'string') return value;
  throw new UserError(`${origin}: the text in column "${name}" must be a string, but is ${describe(value)}.`);
}

function labelOf(values: SourceRecord['values'], name: string, origin: string): string | undefined {
  const value = Object.hasOwn(values, name) ? values[name] : undefined;
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value.trim() || undefined;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new UserError(`${origin}: the label in column "${name}" must be a string, a number or a truth value, but is ${describe(value)}.`);
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'number' || typeof value === 'boolean' ? `a ${typeof value} (${value})` : 'an object';
}
