import { UserError } from '../../text/errors.ts';
import { chooseColumns, type Columns, documentOf } from './columns.ts';
import type { LabelledDocument, ReadOptions } from './document.ts';
import { isBlank } from './document.ts';
import type { Line } from './lines.ts';

/**
 * Documents of JSON Lines: one JSON object a line. Blank lines are skipped.
 *
 * @param name of the source, for messages
 * @throws UserError with the line, for what is not JSON, not an object, or lacks a text or label
 */
export async function* readJsonLines(lines: AsyncIterable<Line>, name: string, options: ReadOptions): AsyncGenerator<LabelledDocument> {
  let columns: Columns | undefined;
  for await (const { text, number } of lines) {
    if (isBlank(text)) continue;
    const origin = `${name}:${number}`;
    const values = parseObject(text, origin);
    columns ??= chooseColumns(Object.keys(values), options, origin);
    yield documentOf({ values, origin }, columns);
  }
}

function parseObject(text: string, origin: string): Record<string, unknown> {
  const value = parseJson(text, origin);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  const kind = Array.isArray(value) ? 'a list' : value === null ? 'null' : `a ${typeof value}`;
  throw new UserError(`${origin}: each line must be a JSON object such as {"text": "…", "label": "…"}, but this one is ${kind}.`);
}

function parseJson(text: string, origin: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const column = errorColumn(text);
    const where =
      column > text.length
        ? `the line ends too early, at column ${column}`
        : `column ${column} (${JSON.stringify(text.slice(column - 1, column + 19))})`;
    const reason =
      error instanceof Error
        ? error.message.replace(/,? ((?:in|after) JSON at position|\.{3}"|").*$/s, '').replace(/ JSON input$/, '')
        : '';
    throw new UserError(`${origin}: this is not valid JSON: ${reason}: ${where}. Write one JSON object a line.`);
  }
}

/**
 * Column (from 1) of the first character that no valid JSON could have there. The engine tells a position with some of its messages
 * only, so we look for the shortest beginning of the line that fails for another reason than its end.
 */
function errorColumn(text: string): number {
  let good = 0;
  let bad = text.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (canGoOn(text.slice(0, middle))) good = middle;
    else bad = middle;
  }
  return bad;
}

function canGoOn(beginning: string): boolean {
  try {
    JSON.parse(beginning);
    return true;
  } catch (error) {
    const message = error instanceof Error ? error.message : '';
    const position = /at position (\d+)/.exec(message)?.[1];
    return position === undefined ? message === 'Unexpected end of JSON input' : Number(position) === beginning.length;
  }
}
