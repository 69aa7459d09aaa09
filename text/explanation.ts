/**
 * What a classifier's answer to a document hangs on: how it moves while the document is read, and what each word contributes. Here is what
 * an explanation consists of and how it is put together, whatever runs the model: trainer and server explain alike.
 */
import type { DocumentText, DocumentWord } from './documentWords.ts';
import { UserError } from './errors.ts';
import { UNKNOWN_ID } from './vocabulary.ts';

/** How a word is taken away to see what it contributes: by an `xxunk` in its place, or by nothing. */
export type Occlusion = 'unknown' | 'leftOut';

/** What is done unless told otherwise. */
const DEFAULT_OCCLUSION: Occlusion = 'unknown';

/** Every occluded word costs a reading of the document: so many words, or so many tokens in all, but a few words of any document. */
const AFFORDABLE = { words: 100, tokens: 60_000, leastWords: 10 } as const;

/**
 * Words that are occluded by default of a document of so many tokens.
 *
 * @example
 * affordableWords(200); // 100
 * affordableWords(1200); // 50
 */
export function affordableWords(tokens: number): number {
  return Math.min(AFFORDABLE.words, Math.max(AFFORDABLE.leastWords, Math.floor(AFFORDABLE.tokens / tokens)));
}

/** What a classifier answers with. */
export type ExplainedTask = 'singleLabel' | 'multiLabel' | 'regression';

export interface ExplainOptions {
  /** The label that is explained. Default: the one with the highest probability. Not for regression, where the number is explained. */
  readonly label?: string | undefined;
  readonly occlusion?: Occlusion | undefined;
  /**
   * Words that are occluded at most: of a longer document those whose reading moves the answer most. Default: 100, and fewer of documents
   * of more than 600 tokens, so that no more than 60,000 tokens are read again (but 10 words at least).
   */
  readonly mostOccluded?: number | undefined;
}

/** A word of an explained document. */
export interface ExplainedWord extends Pick<DocumentWord, 'text' | 'start' | 'end'> {
  /** The answer once this word has been read: the probability of the explained label, or the number. */
  readonly value: number;
  /** What this word's reading changes: its value less the one before. Undefined for the first word that a backward model reads. */
  readonly change: number | undefined;
  /** What the word contributes: the answer to the whole document less the answer without the word. Undefined where that was not tried. */
  readonly occlusion: number | undefined;
  /** Whether the model reads `xxunk` for this word or a part of it. */
  readonly isUnknown: boolean;
}

/** What a classifier's answer to a document hangs on. */
export interface Explanation {
  readonly task: ExplainedTask;
  /** The explained label; undefined for regression. */
  readonly label: string | undefined;
  /** All labels, in the order of the answer. */
  readonly labels: readonly string[];
  /** The classifier's answer: probabilities of the labels, or one number. */
  readonly answer: Float32Array;
  /** Of the answer what is explained: the label's probability, or the number. */
  readonly value: number;
  /** The document as a person reads it, in which the words have their places. */
  readonly text: string;
  readonly words: readonly ExplainedWord[];
  /** The order in which the values came about: of a backward model from the last word to the first. */
  readonly direction: 'forward' | 'backward';
  /** The value before any word had been read; undefined for a backward model, which has then read nothing at all. */
  readonly start: number | undefined;
  /** The value once the document was read. Of a pair of models the values are the forward one's, and this is not the pair's answer. */
  readonly last: number;
  /** Whether two models answer together. */
  readonly isPair: boolean;
  readonly occlusion: Occlusion;
  /** Words that were occluded: all, or those whose reading moves the answer most. */
  readonly occluded: number;
}

/** The order in which a model reads. */
type Direction = Explanation['direction'];

/**
 * How many tokens have been read once each word has been, in the order of the text; and, of a forward model, before the first word.
 *
 * @param tokens of the whole document
 * @example
 * tokensRead([{ firstToken: 1, endToken: 3 }], 4, 'forward'); // { start: 1, afterWord: [3] }
 * tokensRead([{ firstToken: 1, endToken: 3 }], 4, 'backward'); // { start: undefined, afterWord: [3] }
 */
export function tokensRead(
  words: readonly Pick<DocumentWord, 'firstToken' | 'endToken'>[],
  tokens: number,
  direction: Direction,
): { readonly start: number | undefined; readonly afterWord: readonly number[] } {
  if (direction === 'backward') return { start: undefined, afterWord: words.map(({ firstToken }) => tokens - firstToken) };
  return { start: words[0]?.firstToken ?? tokens, afterWord: words.map(({ endToken }) => endToken) };
}

/** A document that has been read once, by every model of a classifier. */
export interface ReadDocument {
  readonly task: ExplainedTask;
  readonly labels: readonly string[];
  readonly document: DocumentText;
  readonly tokens: readonly string[];
  /** Of the model whose answers make the curve, the forward one of a pair. */
  readonly direction: Direction;
  /** That model's answer once so many tokens have been read. */
  readonly answerAfter: (tokens: number) => Float32Array;
  /** The answers to the whole document of all models, that one's first. */
  readonly answers: readonly Float32Array[];
  /** Whether every model of the classifier knows the token. */
  readonly isKnown: (token: string) => boolean;
}

/** An explanation that lacks its occlusion scores. */
export interface BegunExplanation {
  /** The words that are to be occluded, in the order of the text. */
  readonly words: readonly DocumentWord[];
  readonly occlusion: Occlusion;
  /** @param without the classifier's answer to the document without each of these words */
  readonly finish: (without: readonly Float32Array[]) => Explanation;
}

/**
 * Puts together what one reading of a document tells, and chooses the words that are to be occluded.
 *
 * @throws UserError for a label that the classifier does not know
 */
export function beginExplanation(read: ReadDocument, options: ExplainOptions = {}): BegunExplanation {
  const { task, labels, document, tokens, direction, answerAfter, answers, isKnown } = read;
  const { occlusion = DEFAULT_OCCLUSION, mostOccluded = affordableWords(tokens.length) } = options;
  const answer = meanAnswer(answers);
  const target = targetOf(task, labels, answer, options.label);
  const valueOf = (values: Float32Array | undefined): number => values?.[target] ?? Number.NaN;
  const counts = tokensRead(document.words, tokens.length, direction);
  const values = counts.afterWord.map((count) => valueOf(answerAfter(count)));
  const start = counts.start === undefined ? undefined : valueOf(answerAfter(counts.start));
  const changes = changesOf(values, start, direction);
  const chosen = mostMoving(changes, mostOccluded);
  const value = valueOf(answer);
  return {
    words: chosen.flatMap((index) => document.words[index] ?? []),
    occlusion,
    finish(without) {
      const scores = new Map(chosen.map((index, place) => [index, value - valueOf(without[place])]));
      return {
        task,
        label: task === 'regression' ? undefined : labels[target],
        labels,
        answer,
        value,
        text: document.text,
        words: document.words.map(({ text, start: first, end, firstToken, endToken }, index) => ({
          text,
          start: first,
          end,
          value: values[index] ?? Number.NaN,
          change: changes[index],
          occlusion: scores.get(index),
          isUnknown: !tokens.slice(firstToken, endToken).every(isKnown),
        })),
        direction,
        start,
        last: valueOf(answers[0]),
        isPair: answers.length > 1,
        occlusion,
        occluded: chosen.length,
      };
    },
  };
}

/** The mean of the answers of several models (Howard & Ruder 2018, section 4.1, "bidirectionality"). */
export function meanAnswer(answers: readonly Float32Array[]): Float32Array {
  const [first = new Float32Array()] = answers;
  return first.map((_, index) => answers.reduce((sum, answer) => sum + (answer[index] ?? 0), 0) / answers.length);
}

/** The place in the answer of what is explained. */
function targetOf(task: ExplainedTask, labels: readonly string[], answer: Float32Array, label: string | undefined): number {
  if (label === undefined) return task === 'regression' ? 0 : answer.indexOf(Math.max(...answer));
  const index = labels.indexOf(label);
  if (index >= 0) return index;
  const known = labels.map((name) => JSON.stringify(name)).join(', ');
  throw new UserError(
    task === 'regression'
      ? `The model answers with a number, so there is no label ${JSON.stringify(label)} to explain.`
      : `The model does not know the label ${JSON.stringify(label)}. It was trained on: ${known}.`,
  );
}

/**
 * What each word's reading changes, in the order of the text: its value less the one before. There is nothing to compare the first value
 * of a backward model with.
 *
 * @param values the answer once each word has been read, in the order of the text
 * @param start the answer before the first word; undefined for a backward model
 * @example
 * changesOf([0.5, 0.75], 0.5, 'forward'); // [0, 0.25]
 */
export function changesOf(values: readonly number[], start: number | undefined, direction: 'forward' | 'backward'): (number | undefined)[] {
  return values.map((value, index) => {
    const before = direction === 'forward' ? (index === 0 ? start : values[index - 1]) : values[index + 1];
    return before === undefined ? undefined : value - before;
  });
}

/**
 * Places of the words with the greatest changes, in the order of the text; an undefined change counts as the greatest.
 *
 * @example
 * mostMoving([0.1, -0.4, 0.2], 2); // [1, 2]
 */
export function mostMoving(changes: readonly (number | undefined)[], count: number): number[] {
  const size = (index: number): number => Math.abs(changes[index] ?? Number.POSITIVE_INFINITY);
  const order = [...changes.keys()].sort((a, b) => (size(a) === size(b) ? a - b : size(b) - size(a)));
  return order.slice(0, count).sort((a, b) => a - b);
}

/**
 * The ids of a document without a word; its marks go with it.
 *
 * @param ids of the document, in the order of the text
 * @example
 * withoutWord(Int32Array.of(2, 10, 11), { firstToken: 1, endToken: 2 }, 'leftOut'); // [2, 11]
 */
export function withoutWord(
  ids: Int32Array,
  { firstToken, endToken }: Pick<DocumentWord, 'firstToken' | 'endToken'>,
  occlusion: Occlusion,
): Int32Array {
  const inItsPlace = occlusion === 'unknown' ? [UNKNOWN_ID] : [];
  const rest = ids.subarray(endToken);
  const without = new Int32Array(firstToken + inItsPlace.length + rest.length);
  without.set(ids.subarray(0, firstToken));
  without.set(inItsPlace, firstToken);
  without.set(rest, firstToken + inItsPlace.length);
  return without;
}
