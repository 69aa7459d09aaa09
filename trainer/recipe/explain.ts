/** What a classifier's answer to a document hangs on: how it moves while the document is read, and what each word contributes. */
import { UserError } from '../../text/errors.ts';
import { tokenizeFields } from '../../text/tokenizer.ts';
import { UNKNOWN_ID } from '../../text/vocabulary.ts';
import type { Task } from '../model/task.ts';
import { likeliest } from '../report/metrics.ts';
import { documentWords, type DocumentWord } from './documentWords.ts';
import { prefixAnswers } from './prefixAnswers.ts';
import type { ClassifierMember, TrainedClassifier } from './trainedClassifier.ts';

/** How a word is taken away to see what it contributes: by an `xxunk` in its place, or by nothing. */
export type Occlusion = 'unknown' | 'leftOut';

/** What is done unless told otherwise. */
const DEFAULT_OCCLUSION: Occlusion = 'unknown';

/** Every occluded word costs a reading of the document: so many words, or so many tokens in all, but a few words of any document. */
const AFFORDABLE = { words: 100, tokens: 60_000, leastWords: 10 } as const;

/** Words that are occluded by default of a document of so many tokens. */
export function affordableWords(tokens: number): number {
  return Math.min(AFFORDABLE.words, Math.max(AFFORDABLE.leastWords, Math.floor(AFFORDABLE.tokens / tokens)));
}

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
  readonly task: Task;
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

/**
 * Explains a classifier's answer to a document. The values of the words come from one pass: the answer to each beginning of the
 * document. The occlusion scores come from reading the document again without each word. Where two models answer together, the values
 * are those of the forward one, and an occlusion score is the mean of both.
 *
 * @param fields the document's text columns
 * @throws UserError for a label that the classifier does not know
 * @example
 * const { label, words } = explainDocument(classifier, ['A warm and funny film.']);
 * words.find(({ text }) => text === 'funny')?.occlusion; // 0.08: without the word, the label's probability is .08 lower
 */
export function explainDocument(classifier: TrainedClassifier, fields: readonly string[], options: ExplainOptions = {}): Explanation {
  const { task, labels, members } = classifier;
  const tokens = tokenizeFields(fields);
  const { occlusion = DEFAULT_OCCLUSION, mostOccluded = affordableWords(tokens.length) } = options;
  const document = documentWords(fields, tokens);
  const [reader, ...others] = members as readonly [ClassifierMember, ...ClassifierMember[]];
  const { direction } = reader.model.description;
  const curve = curveOf(reader, tokens);
  const ofReader = curve.at(-1) as Float32Array; // there is a token at least: xxbos
  const answer = mean([ofReader, ...others.flatMap((member) => member.answers([inReadingOrder(member, idsOf(member, tokens))]))]);
  const target = targetOf(task, labels, answer, options.label);
  const value = answer[target] as number;

  const after = document.words.map(({ firstToken, endToken }) => {
    return curve[direction === 'forward' ? endToken - 1 : tokens.length - 1 - firstToken]?.[target] as number;
  });
  const start = direction === 'forward' ? curve[(document.words[0]?.firstToken ?? tokens.length) - 1]?.[target] : undefined;
  const changes = changesOf(after, start, direction);
  const chosen = mostMoving(changes, mostOccluded);
  const without = answersWithout(
    members,
    tokens,
    chosen.map((index) => document.words[index] as DocumentWord),
    occlusion,
  );
  const scores = new Map(chosen.map((index, place) => [index, value - (without[place]?.[target] as number)]));
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
      value: after[index] as number,
      change: changes[index],
      occlusion: scores.get(index),
      isUnknown: tokens.slice(firstToken, endToken).some((token) => members.some(({ model }) => !model.vocabulary.has(token))),
    })),
    direction,
    start,
    last: ofReader[target] as number,
    isPair: others.length > 0,
    occlusion,
    occluded: chosen.length,
  };
}

/** A model's answer to each beginning of a document, in the order in which it reads. */
function curveOf(member: ClassifierMember, tokens: readonly string[]): Float32Array[] {
  const { sizes, chunkLength } = member.model.description;
  return prefixAnswers(sizes, member.parameters, inReadingOrder(member, idsOf(member, tokens)), chunkLength, member.answering);
}

/** The classifier's answer to the document without each of these words. All readings are batched. */
function answersWithout(
  members: readonly ClassifierMember[],
  tokens: readonly string[],
  words: readonly DocumentWord[],
  occlusion: Occlusion,
): Float32Array[] {
  const each = members.map((member) => {
    const ids = idsOf(member, tokens);
    return member.answers(words.map((word) => inReadingOrder(member, withoutWord(ids, word, occlusion))));
  });
  return words.map((_, index) => mean(each.map((answers) => answers[index] as Float32Array)));
}

/** The ids of a document without a word; its marks go with it. */
function withoutWord(ids: Int32Array, { firstToken, endToken }: DocumentWord, occlusion: Occlusion): Int32Array {
  const inItsPlace = occlusion === 'unknown' ? [UNKNOWN_ID] : [];
  const rest = ids.subarray(endToken);
  const without = new Int32Array(firstToken + inItsPlace.length + rest.length);
  without.set(ids.subarray(0, firstToken));
  without.set(inItsPlace, firstToken);
  without.set(rest, firstToken + inItsPlace.length);
  return without;
}

const idsOf = ({ model }: ClassifierMember, tokens: readonly string[]): Int32Array => model.vocabulary.encode(tokens);

const inReadingOrder = ({ model }: ClassifierMember, ids: Int32Array): Int32Array =>
  model.description.direction === 'forward' ? ids : ids.toReversed();

/** The place in the answer of what is explained. */
function targetOf(task: Task, labels: readonly string[], answer: Float32Array, label: string | undefined): number {
  if (label === undefined) return task === 'regression' ? 0 : likeliest(answer);
  const index = labels.indexOf(label);
  if (index >= 0) return index;
  const known = labels.map((name) => JSON.stringify(name)).join(', ');
  throw new UserError(
    task === 'regression'
      ? `The model answers with a number, so there is no label ${JSON.stringify(label)} to explain.`
      : `The model does not know the label ${JSON.stringify(label)}. It was trained on: ${known}.`,
  );
}

/** What each word's reading changes, in the order of the text. There is nothing to compare the first value of a backward model with. */
function changesOf(values: readonly number[], start: number | undefined, direction: 'forward' | 'backward'): (number | undefined)[] {
  return values.map((value, index) => {
    const before = direction === 'forward' ? (index === 0 ? start : values[index - 1]) : values[index + 1];
    return before === undefined ? undefined : value - before;
  });
}

/** Places of the words with the greatest changes, in the order of the text. */
function mostMoving(changes: readonly (number | undefined)[], count: number): number[] {
  const size = (index: number): number => Math.abs(changes[index] ?? Number.POSITIVE_INFINITY);
  const order = [...changes.keys()].sort((a, b) => (size(a) === size(b) ? a - b : size(b) - size(a)));
  return order.slice(0, count).sort((a, b) => a - b);
}

function mean(answers: readonly Float32Array[]): Float32Array {
  const [first = new Float32Array()] = answers;
  return first.map((_, index) => answers.reduce((sum, answer) => sum + (answer[index] ?? 0), 0) / answers.length);
}
