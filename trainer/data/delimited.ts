import { pipeline, Readable } from 'node:stream';

import { CsvError, parse } from 'csv-parse';

import { UserError } from '../../text/errors.ts';
import { chooseColumns, documentOf } from './columns.ts';
import { type LabelledDocument, MAX_DOCUMENT_CHARACTERS, type ReadOptions } from './document.ts';
import { targetNames, withJoinedLabels } from './targetColumn.ts';

/** A row of a table, and the line on which it begins. */
interface Row {
  readonly cells: readonly string[];
  readonly line: number;
}

/**
 * Documents of a table: comma- or tab-separated, with the columns' names in the first row. Fields may stand in double quotes, and must
 * where they hold a delimiter, a quote (written twice) or a line break. Blank lines are skipped. Several labels of a document stand in one
 * field, joined by `;` or what the options say.
 *
 * @param delimiter `,` or a tab
 * @param name of the source, for messages
 * @throws UserError with the line, for a missing header or column, rows that do not fit the header, and broken quotes
 */
export async function* readDelimited(
  chunks: AsyncIterable<string>,
  delimiter: ',' | '\t',
  name: string,
  options: ReadOptions,
): AsyncGenerator<LabelledDocument> {
  const rows = readRows(chunks, delimiter, name);
  const first = await rows.next();
  if (first.done) return;
  const header = first.value.cells.map((cell) => cell.trim());
  const headerOrigin = `${name}:${first.value.line}`;
  refuseMissingHeader(header, options, headerOrigin);
  const columns = chooseColumns(header, withJoinedLabels(options), headerOrigin);
  refuseRepeatedColumns(header, [...columns.text, columns.target?.name], headerOrigin);
  for await (const { cells, line } of rows) {
    const origin = `${name}:${line}`;
    if (cells.length !== header.length) throw unevenRow(cells.length, header, delimiter, origin);
    yield documentOf({ values: Object.fromEntries(header.map((column, index) => [column, cells[index]])), origin }, columns);
  }
}

async function* readRows(chunks: AsyncIterable<string>, delimiter: string, name: string): AsyncGenerator<Row> {
  const lines = new LineCounter();
  const parser = parse({
    delimiter,
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true, // we compare with the header ourselves, to say what was expected
    skip_empty_lines: true,
    max_record_size: MAX_DOCUMENT_CHARACTERS,
    on_record: (cells: string[], { empty_lines }) => [String(lines.next(cells, empty_lines)), ...cells], // the line travels as the first cell
  });
  // pipeline() stops reading when the consumer stops, and hands the source's errors on to the parser.
  pipeline(Readable.from(chunks), parser, () => {});
  try {
    for await (const [line, ...cells] of parser as AsyncIterable<string[]>) yield { cells, line: Number(line) };
  } catch (error) {
    throw error instanceof CsvError ? brokenRow(error, lines.current(parser.info.empty_lines), name) : error;
  }
}

/**
 * Counts the lines on which rows begin. (The parser's own count takes a CRLF inside quotes for two lines, and gives the row's end.)
 * Every line break is the end of a row, an empty line, or inside a cell.
 */
class LineCounter {
  #nextLine = 1;
  #emptyLines = 0;

  /**
   * Line of the row that has not been completed.
   *
   * @param emptyLines seen so far in the whole table
   */
  current(emptyLines: number): number {
    return this.#nextLine + emptyLines - this.#emptyLines;
  }

  /** Line of a complete row; the next row begins after it. */
  next(cells: readonly string[], emptyLines: number): number {
    const line = this.current(emptyLines);
    const breaksInside = cells.reduce((sum, cell) => sum + cell.split('\n').length - 1, 0);
    this.#nextLine = line + breaksInside + 1;
    this.#emptyLines = emptyLines;
    return line;
  }
}

function brokenRow(error: CsvError, line: number, name: string): UserError {
  const column = typeof error['index'] === 'number' ? `, column ${error['index'] + 1}` : '';
  const place = `${name}:${line}${column}`;
  switch (error.code) {
    case 'CSV_QUOTE_NOT_CLOSED':
      return new UserError(
        `${place}: the double quote that opens the field is never closed. Close it, or write a quote inside a field as "".`,
      );
    case 'CSV_INVALID_CLOSING_QUOTE':
      return new UserError(`${place}: text goes on after the field's closing double quote. Write a quote inside a field as "".`);
    case 'INVALID_OPENING_QUOTE':
      return new UserError(
        `${place}: a double quote stands inside a field that is not quoted. Quote the whole field and write the quote as "".`,
      );
    case 'CSV_MAX_RECORD_SIZE':
      return new UserError(
        `${place}: the row goes on for more than ${MAX_DOCUMENT_CHARACTERS} characters. Most likely a double quote in it is never closed.`,
      );
    default:
      return new UserError(`${place}: the row cannot be read: ${error.message}.`);
  }
}

function unevenRow(count: number, header: readonly string[], delimiter: ',' | '\t', origin: string): UserError {
  const mark = delimiter === ',' ? 'comma' : 'tab';
  return new UserError(
    `${origin}: the row has ${count} ${count === 1 ? 'column' : 'columns'}, but the header has ${header.length} (${header.join(', ')}). ` +
      `A field that holds a ${mark} must stand in double quotes.`,
  );
}

/** A first row in which no wanted column is named, but in which numbers or sentences stand, is no header. */
function refuseMissingHeader(header: readonly string[], options: ReadOptions, origin: string): void {
  const wanted = new Set([...(options.text ?? ['text']), ...targetNames(options)]);
  if (header.some((cell) => wanted.has(cell)) || !header.some(looksLikeData)) return;
  const shown = header.map((cell) => JSON.stringify(cell.length > 30 ? `${cell.slice(0, 30)}…` : cell)).join(', ');
  throw new UserError(
    `${origin}: the header is missing: the first row (${shown}) is data. Put the columns' names in a row before it, such as label,text.`,
  );
}

function looksLikeData(cell: string): boolean {
  return /^-?[\d.]+$/.test(cell) || cell.split(/\s+/).length > 4 || cell.length > 60;
}

function refuseRepeatedColumns(header: readonly string[], used: readonly (string | undefined)[], origin: string): void {
  const repeated = used.find((name) => name !== undefined && header.indexOf(name) !== header.lastIndexOf(name));
  if (repeated !== undefined)
    throw new UserError(`${origin}: there are several columns "${repeated}". Give each column a name of its own.`);
}
