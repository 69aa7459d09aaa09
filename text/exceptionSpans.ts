/**
 * spaCy's second look at exceptions. Splitting off affixes can take an exception apart before it is seen: in `fine:)` the
 * bracket is a suffix, so the emoticon comes out as two tokens. spaCy therefore searches the finished tokens for every
 * exception in the form that splitting without exceptions gives it, and puts the exception's own tokens there.
 * spaCy 3.8: `Tokenizer._special_matcher` and `_apply_special_cases`.
 */
import { type Exceptions, splitChunk } from './chunkSplitter.ts';
import { hasInfix, prefixLength, suffixLength } from './wordAffixes.ts';

/** Tokens `start` to `end` (exclusive) spell an exception and become `replacement`. */
export interface ExceptionSpan {
  readonly start: number;
  readonly end: number;
  readonly replacement: readonly string[];
}

interface Node {
  readonly next: Map<string, Node>;
  /** Set where a path from the root spells a whole exception. */
  replacement?: readonly string[];
}

export class ExceptionMatcher {
  readonly #root: Node = { next: new Map() };
  #longest = 0;
  /** Tokens that stand in an exception with another token behind them. */
  readonly #continued = new Set<string>();

  constructor(exceptions: Exceptions) {
    const none: Exceptions = new Map();
    for (const [text, tokens] of exceptions) {
      const hasAffix = prefixLength(text) > 0 || suffixLength(text) > 0 || hasInfix(text);
      if (hasAffix) this.#add(splitChunk(text, none), tokens);
    }
  }

  #add(pattern: readonly string[], replacement: readonly string[]): void {
    let node = this.#root;
    for (const token of pattern.slice(0, -1)) this.#continued.add(token);
    for (const token of pattern) {
      let next = node.next.get(token);
      if (next === undefined) node.next.set(token, (next = { next: new Map() }));
      node = next;
    }
    node.replacement = replacement;
    this.#longest = Math.max(this.#longest, pattern.length);
  }

  /** Whether some exception has this token with another one behind it. */
  continuesAfter(token: string): boolean {
    return this.#continued.has(token);
  }

  #matchesAt(tokens: readonly string[], start: number): ExceptionSpan[] {
    const matches: ExceptionSpan[] = [];
    let node = this.#root.next.get(tokens[start] ?? '');
    for (let end = start + 1; node !== undefined; end++) {
      if (node.replacement !== undefined) matches.push({ start, end, replacement: node.replacement });
      node = node.next.get(tokens[end] ?? '');
    }
    return matches;
  }

  /** The places in one chunk's tokens where an exception's tokens would differ from those that stand there. */
  findIn(tokens: readonly string[]): ExceptionSpan[] {
    return tokens
      .flatMap((_, start) => this.#matchesAt(tokens, start))
      .filter(({ start, end, replacement }) => !equal(tokens.slice(start, end), replacement));
  }

  /**
   * Puts the exceptions' tokens in place. Of overlapping matches the longest wins, then the first. A match that runs over
   * a space, which no exception does, is not put in place, but still keeps shorter ones from it: hence all of the
   * document's tokens are asked for.
   *
   * @param tokens of the whole document
   * @param spans found in its chunks, in ascending order, counted in the document's tokens
   */
  replace(tokens: readonly string[], spans: readonly ExceptionSpan[]): string[] {
    const result: string[] = [];
    let position = 0;
    for (const span of spans) {
      if (this.#isCovered(tokens, span)) continue;
      for (; position < span.start; position++) result.push(tokens[position] ?? '');
      result.push(...span.replacement);
      position = span.end;
    }
    for (; position < tokens.length; position++) result.push(tokens[position] ?? '');
    return result;
  }

  /** True where a match that goes first holds the span's first or last token. */
  #isCovered(tokens: readonly string[], span: ExceptionSpan): boolean {
    const length = span.end - span.start;
    for (let start = Math.max(0, span.start - this.#longest); start < span.end; start++) {
      for (const other of this.#matchesAt(tokens, start)) {
        const goesFirst = other.end - other.start > length || (other.end - other.start === length && other.start < span.start);
        const holds = (index: number): boolean => other.start <= index && index < other.end;
        if (goesFirst && (holds(span.start) || holds(span.end - 1))) return true;
      }
    }
    return false;
  }
}

const equal = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((token, index) => token === b[index]);
