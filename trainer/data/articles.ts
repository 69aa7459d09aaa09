import { cleanWikitext } from '../../text/wikitext.ts';
import { isBlank } from './document.ts';
import type { Line } from './lines.ts';

/** A document this long, in characters, ends at its next blank line; twice as long, wherever it is. */
export const LONG_DOCUMENT = 2 ** 20;

export interface ArticleOptions {
  readonly splitArticles: boolean;
  /** Default: {@link LONG_DOCUMENT}. */
  readonly longDocument?: number;
}

/**
 * Puts lines together into documents. In WikiText's form (a line ` = Title = ` between blank lines begins an article) each article is a
 * document: its title and section headings without their equals signs, its paragraphs, a line each, with the marks of WikiText's
 * tokenization undone. Other text is one document as it stands. Line breaks are kept. Text that goes on and on is cut, so that memory stays bounded.
 */
export async function* articlesOf(lines: AsyncIterable<Line>, options: ArticleOptions): AsyncGenerator<string> {
  const longDocument = options.longDocument ?? LONG_DOCUMENT;
  let document = new Draft(false);
  for await (const { text, betweenBlanks } of withNeighbours(lines)) {
    const title = options.splitArticles && betweenBlanks ? titleOf(text) : undefined;
    for (const [index, piece] of piecesOf(title ?? text, longDocument).entries()) {
      const isLong = document.length >= (isBlank(text) ? longDocument : 2 * longDocument);
      if (title !== undefined || isLong || index > 0) {
        yield* document.texts();
        document = new Draft(document.isArticle || title !== undefined);
      }
      document.add(piece);
    }
  }
  yield* document.texts();
}

/** Lines, and whether the ones before and after are blank or missing. Keys to symbols in WikiText (` = Played ; W = `) look like titles otherwise. */
async function* withNeighbours(lines: AsyncIterable<Line>): AsyncGenerator<{ text: string; betweenBlanks: boolean }> {
  let before = '';
  let held: string | undefined;
  for await (const { text } of lines) {
    if (held !== undefined) {
      yield { text: held, betweenBlanks: isBlank(before) && isBlank(text) };
      before = held;
    }
    held = text;
  }
  if (held !== undefined) yield { text: held, betweenBlanks: isBlank(before) };
}

/** The lines of a document in the making. */
class Draft {
  readonly isArticle: boolean;
  readonly #lines: string[] = [];
  length = 0;

  constructor(isArticle: boolean) {
    this.isArticle = isArticle;
  }

  add(line: string): void {
    this.#lines.push(this.isArticle ? sectionOf(cleanWikitext(line.trim())) : line);
    this.length += line.length + 1;
  }

  /** The document, if there is anything in it. */
  *texts(): Generator<string> {
    const text = this.#lines.join('\n').trim();
    if (text !== '') yield text;
  }
}

/** The title in a line ` = Title = `. A section's heading has more equals signs, ` = = Section = = `. */
function titleOf(line: string): string | undefined {
  const title = /^ ?= (\S.*?) =\s*$/.exec(line)?.[1];
  return title === undefined || title.startsWith('= ') || title.endsWith(' =') ? undefined : title;
}

/** A section's heading without its equals signs; any other line as it is. */
function sectionOf(line: string): string {
  const [, left = '', heading = line, right = ''] = /^((?:= ){2,})(.*?)((?: =){2,})$/.exec(line) ?? [];
  return left.length === right.length ? heading : line;
}

/** A line, or a line too long for one document in pieces cut at spaces. */
function piecesOf(line: string, longest: number): string[] {
  const pieces: string[] = [];
  let start = 0;
  while (line.length - start > longest) {
    const space = line.lastIndexOf(' ', start + longest);
    const end = space > start ? space : start + longest;
    pieces.push(line.slice(start, end));
    start = space > start ? end + 1 : end;
  }
  return [...pieces, line.slice(start)];
}
