/** One document as a reader found it. */
export interface LabelledDocument {
  /** The text columns in the order in which they were asked for; a single one unless several columns were named. */
  readonly fields: readonly string[];
  /** Undefined where the data has no label and none was required. */
  readonly label: string | undefined;
  /** Where the document stands, for messages: `reviews.csv:17`, or the file itself in folders by label. */
  readonly origin: string;
}

/** A document that is known to have a label. */
export interface TrainingDocument extends LabelledDocument {
  readonly label: string;
}

export interface ReadOptions {
  /** Names of the text columns. Default: `text`, or else the only column that is not the label's. */
  readonly text?: readonly string[] | undefined;
  /** Name of the label column. Default: `label`. */
  readonly label?: string | undefined;
  /** What to do about labels: refuse documents without one (the default), take them where they are, or leave them alone. */
  readonly labels?: 'required' | 'optional' | 'ignored' | undefined;
}

/** How standard input is named in messages. */
export const STANDARD_INPUT = 'standard input';

/** The longest line, record or file that is held as one document: beyond it something is wrong with the input. */
export const MAX_DOCUMENT_CHARACTERS = 2 ** 28;

/** Whether a text has nothing in it to learn from. */
export function isBlank(text: string): boolean {
  return text.trim() === '';
}
