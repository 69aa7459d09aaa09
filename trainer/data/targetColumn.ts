import { UserError } from '../../text/errors.ts';
import type { Task } from '../model/task.ts';
import type { LabelledDocument, ReadOptions } from './document.ts';

/** What stands between the labels of a document in a table. */
const DEFAULT_SEPARATOR = ';';

/** Names that the label column has where none is given, the first that is there. */
const USUAL_NAMES: Readonly<Record<Task, readonly string[]>> = {
  singleLabel: ['label'],
  multiLabel: ['label', 'labels'],
  regression: ['label', 'value'],
};

/** The column that a document's label, labels or value stand in. */
export interface TargetColumn {
  readonly name: string;
  readonly task: Task;
  /** What to cut a string of labels at; undefined where only a list will do. */
  readonly separator: string | undefined;
}

/** What a document is to be recognized as. */
export type Target = Pick<LabelledDocument, 'label' | 'labels' | 'value'>;

/** The names that the label column may have, the likeliest first. */
export function targetNames({ label, task = 'singleLabel' }: ReadOptions): readonly string[] {
  return label === undefined ? USUAL_NAMES[task] : [label];
}

/** Options for a form that knows strings but no lists: labels are joined there. */
export function withJoinedLabels(options: ReadOptions): ReadOptions {
  return { ...options, labelSeparator: options.labelSeparator ?? DEFAULT_SEPARATOR };
}

/**
 * Reads what a record has in its label column, as the task wants it.
 *
 * @returns undefined where there is nothing
 * @throws UserError for a value of another kind, such as a list where one label is due
 */
export function readTarget(value: unknown, column: TargetColumn, origin: string): Target | undefined {
  return READERS[column.task](value, column, origin);
}

/** What to say of a record that has nothing in its label column. */
export function missingTarget({ name, task }: TargetColumn, origin: string): UserError {
  const sentence = {
    singleLabel: `the label in column "${name}" is missing. Give the record a label or remove it.`,
    multiLabel: `the labels in column "${name}" are missing. Give the record a list of labels ([] where none applies) or remove it.`,
    regression: `the value in column "${name}" is missing. Give the record a number or remove it.`,
  }[task];
  return new UserError(`${origin}: ${sentence}`);
}

const READERS: Readonly<Record<Task, (value: unknown, column: TargetColumn, origin: string) => Target | undefined>> = {
  singleLabel: (value, { name }, origin) => {
    const label = labelOf(value, `${origin}: the label in column "${name}"`);
    return label === undefined ? undefined : { label };
  },
  multiLabel: (value, column, origin) => {
    const labels = labelsOf(value, column, `${origin}: the labels in column "${column.name}"`);
    return labels === undefined ? undefined : { label: undefined, labels: [...new Set(labels)] };
  },
  regression: (given, { name }, origin) => {
    const value = valueOf(given, `${origin}: the value in column "${name}"`);
    return value === undefined ? undefined : { label: undefined, value };
  },
};

/** One label: a number or a truth value is a label like any other. */
function labelOf(value: unknown, what: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value.trim() || undefined;
  if (isPlain(value)) return String(value);
  if (Array.isArray(value)) {
    throw new UserError(
      `${what} is a list, but one label is due. Give one, or train with --multi-label where several labels may apply to a document.`,
    );
  }
  throw new UserError(`${what} must be a string, a number or a truth value, but is ${describe(value)}.`);
}

function labelsOf(value: unknown, { separator }: TargetColumn, what: string): string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value)) return value.map((item: unknown, index) => itemOf(item, index, what));
  if (separator !== undefined) {
    if (typeof value === 'string') return splitLabels(value, separator, what);
    if (isPlain(value)) return [String(value)];
  }
  throw new UserError(
    `${what} must be a list such as ["sport", "politics"], but are ${describe(value)}. ` +
      'Write a list, say what stands between the labels with --label-separator, or train without --multi-label if each document has one label.',
  );
}

function itemOf(item: unknown, index: number, what: string): string {
  const label = typeof item === 'string' ? item.trim() : isPlain(item) ? String(item) : undefined;
  if (label !== undefined && label !== '') return label;
  const is = label === '' ? 'empty' : item === null ? 'null' : describe(item);
  throw new UserError(`${what} must be strings, but number ${index + 1} of the list is ${is}. Give it a name or take it out of the list.`);
}

/** A list as Python or JSON writes it: `['a', 'b']`. */
const WRITTEN_LIST = /^\[\s*(?:(['"]).*\1\s*)?,?\s*\]$/s;

function splitLabels(cell: string, separator: string, what: string): string[] {
  const trimmed = cell.trim();
  if (WRITTEN_LIST.test(trimmed)) {
    throw new UserError(
      `${what} are written as a list (${shortened(trimmed)}), but a table holds them joined: a${separator}b. ` +
        'Write them so, nothing where no label applies, or turn the table into JSON Lines.',
    );
  }
  return trimmed
    .split(separator)
    .map((label) => label.trim())
    .filter((label) => label !== '');
}

/** A number as people and programs write it; JavaScript's own idea takes `0x10` and an empty text for numbers. */
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const DECIMAL_COMMA = /^[+-]?\d+,\d+$/;

function valueOf(given: unknown, what: string): number | undefined {
  const value = typeof given === 'string' ? given.trim() : given;
  if (value === undefined || value === null || value === '' || Number.isNaN(value)) return undefined; // data frames write NaN for "missing"
  const isNumeric = typeof value === 'string' ? NUMBER.test(value) : typeof value === 'number' || typeof value === 'bigint';
  const number = isNumeric ? Number(value) : Number.NaN;
  if (Number.isFinite(number)) return number;
  const cure =
    typeof value === 'string' && DECIMAL_COMMA.test(value)
      ? 'Write the decimal point as ".".'
      : 'Correct it, name another column with --label, or train without --regression if the column holds labels.';
  throw new UserError(`${what} must be a number, but is ${describe(value)}. ${cure}`);
}

function isPlain(value: unknown): value is number | bigint | boolean {
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean';
}

/** What a value is, for messages: `a number (7)`. */
export function describe(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return `a string (${shortened(JSON.stringify(value))})`;
  if (value instanceof Date) return `a date (${value.toISOString()})`;
  if (isPlain(value)) return `a ${typeof value === 'bigint' ? 'number' : typeof value} (${value})`;
  return 'an object';
}

const shortened = (text: string): string => (text.length > 40 ? `${text.slice(0, 40)}…` : text);
