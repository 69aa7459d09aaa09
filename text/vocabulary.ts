/** The words a model knows, numbered. fastai 2.8: `make_vocab` and `Numericalize` in text/data.py. */
import { UserError } from './errors.ts';
import { SPECIAL_TOKENS } from './specialTokens.ts';

export { SPECIAL_TOKENS };

/** The id of `xxunk`, which stands for every word outside the vocabulary. */
export const UNKNOWN_ID = 0;
/** The id of `xxpad`, which fills the shorter rows of a batch. */
export const PADDING_ID = 1;

/** Fills the vocabulary up to a multiple of 8, a size that matrix kernels like. No text is encoded to it. */
const FILLER = 'xxfake';
const MULTIPLE = 8;

export interface VocabularyLimits {
  /** At most this many tokens, the special ones included and the filling up to a multiple of 8 not. The paper's 60,000. */
  readonly maxSize: number;
  /** Only words seen this often or more. */
  readonly minCount: number;
}

/** The words that a model knows, each with its id. */
export class Vocabulary {
  /** All tokens in the order of their ids. */
  readonly tokens: readonly string[];
  readonly #ids: ReadonlyMap<string, number>;

  private constructor(tokens: readonly string[]) {
    this.tokens = tokens;
    const words = tokens.map((token, id) => [token, id] as const).filter(([token]) => token !== FILLER);
    this.#ids = new Map(words);
  }

  /**
   * The special tokens, then the most frequent words; of equally frequent ones those that come first by code points, so that
   * the order in which documents were counted does not matter.
   *
   * @param counts how often each token was seen
   * @throws UserError where the limits leave no place for a word
   * @example
   * const vocabulary = Vocabulary.fromCounts(new Map([['film', 3], ['the', 9]]), { maxSize: 60_000, minCount: 3 });
   * vocabulary.tokens.slice(8, 11); // ['xxmaj', 'the', 'film']
   */
  static fromCounts(counts: ReadonlyMap<string, number>, { maxSize, minCount }: VocabularyLimits): Vocabulary {
    if (!Number.isInteger(maxSize) || maxSize <= SPECIAL_TOKENS.length) {
      throw new UserError(
        `A vocabulary of at most ${maxSize} tokens has no place for words: give a whole number above ${SPECIAL_TOKENS.length}.`,
      );
    }
    const reserved = new Set<string>([...SPECIAL_TOKENS, FILLER]);
    const words = [...counts]
      .filter(([token, count]) => count >= minCount && !reserved.has(token))
      .sort(([tokenA, countA], [tokenB, countB]) => countB - countA || compareCodePoints(tokenA, tokenB))
      .slice(0, maxSize - SPECIAL_TOKENS.length)
      .map(([token]) => token);
    return new Vocabulary(filled([...SPECIAL_TOKENS, ...words]));
  }

  /**
   * This vocabulary with the words that it lacks behind it, most frequent first. No id changes, so nothing that a model has learned
   * about its words is lost.
   *
   * @param counts how often each token was seen in the new text
   */
  extended(counts: ReadonlyMap<string, number>, { maxSize, minCount }: VocabularyLimits): Vocabulary {
    const known = this.tokens.filter((token) => token !== FILLER);
    const words = [...counts]
      .filter(([token, count]) => count >= minCount && token !== FILLER && !this.has(token))
      .sort(([tokenA, countA], [tokenB, countB]) => countB - countA || compareCodePoints(tokenA, tokenB))
      .slice(0, Math.max(0, maxSize - known.length))
      .map(([token]) => token);
    return Vocabulary.fromTokens(filled([...known, ...words]));
  }

  /**
   * A vocabulary that was written down before, such as a model's vocabulary.json or fastai's `dls.vocab`.
   *
   * @throws UserError where the list does not start with the special tokens or names a token twice
   */
  static fromTokens(tokens: readonly string[]): Vocabulary {
    SPECIAL_TOKENS.forEach((special, id) => {
      if (tokens[id] === special) return;
      throw new UserError(
        `The vocabulary has ${JSON.stringify(tokens[id])} as token ${id}, where ${special} belongs. ` +
          `Its first ${SPECIAL_TOKENS.length} tokens must be ${SPECIAL_TOKENS.join(' ')}, in this order.`,
      );
    });
    const vocabulary = new Vocabulary([...tokens]);
    tokens.forEach((token, id) => {
      if (token === FILLER || vocabulary.#ids.get(token) === id) return;
      throw new UserError(
        `The vocabulary names ${JSON.stringify(token)} twice, as tokens ${id} and ${vocabulary.#ids.get(token)}. Remove one and its row of weights.`,
      );
    });
    return vocabulary;
  }

  /** How many tokens there are, those that only fill it up included: the number of rows of the embedding. */
  get size(): number {
    return this.tokens.length;
  }

  has(token: string): boolean {
    return this.#ids.has(token);
  }

  /** The token's id, `UNKNOWN_ID` for a word outside the vocabulary. */
  idOf(token: string): number {
    return this.#ids.get(token) ?? UNKNOWN_ID;
  }

  /**
   * The ids of tokens, `UNKNOWN_ID` for those outside the vocabulary.
   *
   * @example
   * const vocabulary = Vocabulary.fromCounts(new Map([['film', 3], ['good', 9]]), { maxSize: 60_000, minCount: 1 });
   * [...vocabulary.encode(tokenize('good film!'))]; // [2, 9, 10, 0]
   */
  encode(tokens: readonly string[]): Int32Array {
    const ids = new Int32Array(tokens.length);
    for (let index = 0; index < tokens.length; index++) ids[index] = this.idOf(tokens[index] ?? '');
    return ids;
  }

  /** @throws RangeError where an id is not one of this vocabulary */
  decode(ids: Iterable<number>): string[] {
    return Array.from(ids, (id) => {
      const token = this.tokens[id];
      if (token === undefined) throw new RangeError(`Token id ${id} is outside the vocabulary of ${this.size} tokens.`);
      return token;
    });
  }
}

/** Orders by code points, as Python does; JavaScript's own order puts the astral planes before U+E000 to U+FFFF. */
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const unitA = a.charCodeAt(index);
    const unitB = b.charCodeAt(index);
    if (unitA !== unitB) return surrogatesLast(unitA) - surrogatesLast(unitB);
  }
  return a.length - b.length;
}

/** Moves surrogates, which start an astral character, behind all other units. */
const surrogatesLast = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);

/** The tokens and as many fillers as a multiple of 8 takes. */
function filled(tokens: string[]): string[] {
  while (tokens.length % MULTIPLE !== 0) tokens.push(FILLER);
  return tokens;
}
