/**
 * Word splitting as spaCy's blank English tokenizer does it (spaCy 3.8, tokenizer.pyx): the text is cut at white space and
 * each chunk is split by itself; see chunkSplitter.ts and exceptionSpans.ts. White space that is more than a single space is
 * a token of its own, as in spaCy: `a \n b` gives `a`, `\n `, `b`.
 *
 * Unlike in spaCy, each character of a script without spaces is a token of its own; see spacelessScripts.ts.
 */
import { addToHash, ChunkCache, HASH_START } from './chunkCache.ts';
import { splitChunk } from './chunkSplitter.ts';
import { detach, isWhiteSpace, skipWhiteSpace } from './codePoints.ts';
import { englishExceptions } from './englishExceptions.ts';
import { ExceptionMatcher, type ExceptionSpan } from './exceptionSpans.ts';
import { cutAtCharacters } from './spacelessScripts.ts';

/** The tokens of one chunk: most often one word. */
export type ChunkTokens = string | SeveralTokens;

/** Tokens before the second look at exceptions, and what that will change. */
export interface SeveralTokens {
  readonly tokens: readonly string[];
  readonly exceptionSpans: readonly ExceptionSpan[];
}

const exceptions = englishExceptions();
const matcher = new ExceptionMatcher(exceptions);

/**
 * Splits a chunk of text without white space: characters of scripts without spaces stand alone, and what is between them is split as
 * if there were spaces around it.
 */
export function chunkTokens(chunk: string, splitPiece: (piece: string) => ChunkTokens = spacedTokens): ChunkTokens {
  const pieces = cutAtCharacters(chunk);
  if (pieces === undefined) return splitPiece(chunk);
  const tokens: string[] = [];
  const exceptionSpans: ExceptionSpan[] = [];
  for (const { text, isCharacter } of pieces) {
    const piece = isCharacter ? text : splitPiece(text);
    if (typeof piece === 'string') tokens.push(piece);
    else addTokens(piece, tokens, exceptionSpans);
  }
  return { tokens, exceptionSpans };
}

/** Splits a chunk of a script with spaces. */
export function spacedTokens(chunk: string): ChunkTokens {
  const tokens = splitChunk(chunk, exceptions);
  const [only] = tokens;
  if (tokens.length === 1 && only !== undefined) return only;
  return { tokens, exceptionSpans: matcher.findIn(tokens) };
}

/** Whether the token may be part of an exception that goes on with the token behind it. */
export const mayBeginException = (token: string): boolean => matcher.continuesAfter(token);

export interface SplitOptions {
  readonly chunks: ChunkCache<ChunkTokens>;
  /** The tokens to start with. */
  readonly first?: readonly string[];
  /** How to write white space that is a token; as it is, where this is missing. */
  readonly writeWhiteSpace?: (whiteSpace: string) => string;
}

/** Splits a whole text at white space, and each chunk in the way that the cache was made for. */
export function splitText(text: string, options: SplitOptions): string[] {
  const { chunks, first = [], writeWhiteSpace = detach } = options;
  const tokens = [...first];
  const spans: ExceptionSpan[] = [];
  let position = 0;
  while (position < text.length) {
    const start = position;
    let hash = HASH_START;
    for (; position < text.length; position++) {
      const unit = text.charCodeAt(position);
      if (isWhiteSpace(unit)) break;
      hash = addToHash(hash, unit);
    }
    if (position > start) {
      const chunk = chunks.get(text, start, position, hash);
      if (typeof chunk === 'string') tokens.push(chunk);
      else addTokens(chunk, tokens, spans);
    }
    const end = skipWhiteSpace(text, position);
    // A single space between two chunks is what tokens are apart anyway.
    const isSeparated = position > 0 && text.charCodeAt(position) === 0x20;
    const from = isSeparated ? position + 1 : position;
    if (from < end) tokens.push(writeWhiteSpace(text.slice(from, end)));
    position = end;
  }
  return spans.length === 0 ? tokens : matcher.replace(tokens, spans);
}

function addTokens(chunk: SeveralTokens, tokens: string[], spans: ExceptionSpan[]): void {
  for (const { start, end, replacement } of chunk.exceptionSpans) {
    spans.push({ start: tokens.length + start, end: tokens.length + end, replacement });
  }
  for (const token of chunk.tokens) tokens.push(token);
}

const words = new ChunkCache((chunk: string) => chunkTokens(chunk));

/**
 * Splits text into words as spaCy's blank English tokenizer does: the texts of `spacy.blank('en')(text)`. Characters of scripts without
 * spaces are words of their own.
 *
 * @example splitWords("Don't panic (it's fine).") // ['Do', "n't", 'panic', '(', 'it', "'s", 'fine', ')', '.']
 */
export function splitWords(text: string): string[] {
  return splitText(text, { chunks: words });
}
