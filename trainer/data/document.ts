import type { Task } from '../model/task.ts';

/** One document as a reader found it. */
export interface LabelledDocument {
  /** The text columns in the order in which they were asked for; a single one unless several columns were named. */
  readonly fields: readonly string[];
  /** Undefined where the data has no label and none was required, and in other tasks than `singleLabel`. */
  readonly label: string | undefined;
  /** Task `multiLabel`: the labels that apply, each once; none may. */
  readonly labels?: readonly string[];
  /** Task `regression`: a finite number. */
  readonly value?: number;
  /** Where the document stands, for messages: `reviews.csv:17`, or the file itself in folders by label. */
  readonly origin: string;
}

/** A document that is known to have a label. */
export interface TrainingDocument extends LabelledDocument {
  readonly label: string;
}

/** A document of which it is known which labels apply. */
export interface MultiLabelDocument extends LabelledDocument {
  readonly labels: readonly string[];
}

/** A document that is known to have a value. */
export interface ValuedDocument extends LabelledDocument {
  readonly value: number;
}

/** A document that something can be learned from. */
export type TargetDocument = TrainingDocument | MultiLabelDocument | ValuedDocument;

export interface ReadOptions {
  /** Names of the text columns. Default: `text`, or else the only column that is not the label's. */
  readonly text?: readonly string[] | undefined;
  /** Name of the label column. Default: `label`, or else `labels` of task `multiLabel` and `value` of `regression`. */
  readonly label?: string | undefined;
  /** What to do about labels: refuse documents without one (the default), take them where they are, or leave them alone. */
  readonly labels?: 'required' | 'optional' | 'ignored' | undefined;
  /** What the label column holds: one label (the default), a list of labels, or a number. */
  readonly task?: Task | undefined;
  /**
   * What stands between the labels of a document in a table, of task `multiLabel`. Default: `;`. Where it is given, a JSON string is cut
   * at it too; otherwise JSON must hold a list.
   */
  readonly labelSeparator?: string | undefined;
  /** Called now and then with the bytes that have been read of files since the last call; not of Parquet and of label folders. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** How standard input is named in messages. */
export const STANDARD_INPUT = 'standard input';

/** The longest line, record or file that is held as one document: beyond it something is wrong with the input. */
export const MAX_DOCUMENT_CHARACTERS = 2 ** 28;

/** Whether a text has nothing in it to learn from. */
export function isBlank(text: string): boolean {
  return text.trim() === '';
}
