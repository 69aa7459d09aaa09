import { UserError } from '../../text/errors.ts';
import { MAX_DOCUMENT_CHARACTERS } from './document.ts';

/** A line without its line break. */
export interface Line {
  readonly text: string;
  /** Counted from 1. */
  readonly number: number;
}

/**
 * Cuts text into lines at LF or CRLF as it comes. A last line without a line break counts.
 *
 * @param name of the source, for messages
 * @throws UserError for a line too long to be held in memory
 */
export async function* splitLines(chunks: AsyncIterable<string>, name: string, maxLength = MAX_DOCUMENT_CHARACTERS): AsyncGenerator<Line> {
  let pending = '';
  let number = 1;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf('\n'); end !== -1; end = chunk.indexOf('\n', start)) {
      yield { text: withoutReturn(pending + chunk.slice(start, end)), number };
      pending = '';
      number++;
      start = end + 1;
    }
    pending += chunk.slice(start);
    if (pending.length > maxLength) {
      throw new UserError(
        `${name}:${number}: the line has more than ${maxLength} characters. Break the text into lines of one document each.`,
      );
    }
  }
  if (pending !== '') yield { text: withoutReturn(pending), number };
}

function withoutReturn(text: string): string {
  return text.endsWith('\r') ? text.slice(0, -1) : text;
}
