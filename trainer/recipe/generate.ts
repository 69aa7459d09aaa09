/** Text written by a language model, word by word. */
import { BEGIN, CAPITALIZED, END, FIELD, REPEATED_CHARACTER, REPEATED_WORD, UPPER_CASE } from '../../text/specialTokens.ts';
import { detokenize, tokenize } from '../../text/tokenizer.ts';
import { UserError } from '../../text/errors.ts';
import { PADDING_ID, UNKNOWN_ID, type Vocabulary } from '../../text/vocabulary.ts';
import { hostRandom } from '../engine/random.ts';
import { tf } from '../engine/operations.ts';
import { awdLstm, disposeState, parameter, zeroState, type EncoderState, type Parameters } from '../model/awdLstm.ts';
import { DEFAULT_SEED } from './defaults.ts';
import { checkSampling, GENERATION, nextToken, type Sampling } from './sampling.ts';
import type { TrainedLanguageModel } from './trainedLanguageModel.ts';

export interface GenerateOptions extends Partial<Sampling> {
  /** What the text begins with; what it ends with for a backward model. Default: nothing. */
  readonly prompt?: string | undefined;
  /** Stop after this many words and punctuation marks, should the document not end before. */
  readonly words?: number | undefined;
  /** Whether `xxunk` may be written, where the model has no word for what it would say. */
  readonly unknown?: boolean | undefined;
  readonly seed?: number | undefined;
  /** Which of several texts of one seed; default 0. */
  readonly index?: number | undefined;
}

/** How a text ended: the model began another document, or there were as many words as wanted. */
export type TextEnding = 'document' | 'words';

/** Tokens read at once, so that a prompt of any length takes little memory. */
const READ_AT_ONCE = 512;

/** A model can write marks and no words for ever: this many tokens a word are the most. */
const MOST_TOKENS_A_WORD = 4;

/**
 * Writes text: yields tokens as they are drawn and returns how the text ended. A forward model writes on from the prompt; a backward
 * model starts with the text's last token and writes towards its beginning, with the prompt as the text's end. The prompt is read at
 * once, and every token costs one step of the model, as its state is carried along.
 *
 * The same options give the same text on the same machine.
 *
 * @throws UserError where an option has a value that makes no sense
 * @example
 * for (const token of generate(model, { prompt: 'The river', temperature: 0.7, topP: 0.9 })) console.log(token);
 */
export function* generate(model: TrainedLanguageModel, options: GenerateOptions = {}): Generator<string, TextEnding> {
  const { prompt = '', words = GENERATION.words, unknown = false, seed = DEFAULT_SEED, index = 0, topK, topP } = options;
  const sampling = { temperature: options.temperature ?? GENERATION.temperature, topK, topP };
  checkSampling(sampling);
  if (!(Number.isInteger(words) && words >= 1)) throw new UserError(`${words} words cannot be written; give a whole number of at least 1.`);
  const { vocabulary, description } = model.model;
  const excluded = excludedTokens(vocabulary, unknown);
  const random = hostRandom({ seed, step: index }, 'generate');
  const progress = description.direction === 'forward' ? new ForwardProgress(words) : new BackwardProgress(words);
  const reader = new Reader(model);
  try {
    let logits = reader.read(vocabulary.encode(readingOrder(prompt, description.direction)));
    for (;;) {
      const id = nextToken(logits, sampling, excluded, random);
      const token = vocabulary.tokens[id] ?? '';
      if (token === BEGIN || token === END) return 'document';
      if (progress.isDoneBefore(token)) return 'words';
      yield token;
      if (progress.isDoneAfter(token)) return 'words';
      logits = reader.read(Int32Array.of(id));
    }
  } finally {
    reader.dispose();
  }
}

/** A text that a language model has written. */
export interface GeneratedText {
  /** As a person reads it, with the prompt. */
  readonly text: string;
  /** Those that were drawn, in the order of the text. */
  readonly tokens: readonly string[];
  readonly ending: TextEnding;
}

/**
 * The text that {@link generate} writes, once it is whole.
 *
 * @example generateText(model, { prompt: 'The river', words: 30, seed: 1 }).text; // 'The river is …'
 */
export function generateText(model: TrainedLanguageModel, options: GenerateOptions = {}): GeneratedText {
  const { direction } = model.model.description;
  const tokens: string[] = [];
  const drawn = generate(model, options);
  let next = drawn.next();
  for (; !next.done; next = drawn.next()) tokens.push(next.value);
  if (direction === 'backward') tokens.reverse();
  return { text: joinPrompt(options.prompt ?? '', tokens, direction), tokens, ending: next.value };
}

/**
 * A prompt and the tokens written after it, or before it for a backward model, as a readable text. The prompt stays as it was given.
 *
 * @param tokens in the order of the text
 * @example joinPrompt('The film was', ['good', '.'], 'forward'); // 'The film was good.'
 */
export function joinPrompt(prompt: string, tokens: readonly string[], direction: 'forward' | 'backward'): string {
  const given = tokenize(prompt);
  if (direction === 'forward') return prompt.trimEnd() + detokenize([...given, ...tokens]).slice(detokenize(given).length);
  const whole = detokenize([...tokens, ...given]);
  const end = detokenize(given);
  return whole.endsWith(end) ? whole.slice(0, whole.length - end.length) + prompt.trimStart() : whole;
}

/** Words of a prompt that the model does not know and reads as `xxunk`, each once. */
export function unknownWords(prompt: string, vocabulary: Vocabulary): string[] {
  return [...new Set(tokenize(prompt))].filter((token) => !vocabulary.has(token));
}

/** A prompt's tokens as the model reads them: always behind the mark that a new document begins, or ends where it is read backwards. */
function readingOrder(prompt: string, direction: 'forward' | 'backward'): string[] {
  const [begin = BEGIN, ...tokens] = tokenize(prompt);
  return [begin, ...(direction === 'forward' ? tokens : tokens.toReversed())];
}

/** Tokens that are no text. The filler of a vocabulary has no id, so it is found by its place. */
function excludedTokens(vocabulary: Vocabulary, unknown: boolean): ReadonlySet<number> {
  const fillers = vocabulary.tokens.keys().filter((id) => !vocabulary.has(vocabulary.tokens[id] ?? ''));
  return new Set([PADDING_ID, ...(unknown ? [] : [UNKNOWN_ID]), ...fillers]);
}

/** Reads tokens and says what may follow; remembers where it stands. */
class Reader {
  readonly #parameters: Parameters;
  #state: EncoderState;

  constructor({ parameters, model }: TrainedLanguageModel) {
    this.#parameters = parameters;
    this.#state = zeroState(model.description.sizes, 1);
  }

  /** Logits of the token after these; there is one of them at least. */
  read(ids: Int32Array): Float32Array {
    for (let start = 0; start + READ_AT_ONCE < ids.length; start += READ_AT_ONCE) this.#step(ids.subarray(start, start + READ_AT_ONCE));
    return this.#step(ids.subarray(READ_AT_ONCE * Math.floor((ids.length - 1) / READ_AT_ONCE)));
  }

  #step(ids: Int32Array): Float32Array {
    const before = this.#state;
    const logits = tf.tidy(() => {
      const { raw, state } = awdLstm(this.#parameters, tf.tensor2d(ids, [ids.length, 1], 'int32'), before);
      this.#state = state;
      const last = tf.reshape(tf.slice(raw, [ids.length - 1, 0, 0], [1, 1, raw.shape[2] ?? 0]), [1, raw.shape[2] ?? 0]);
      const scores = tf.matMul(last, parameter(this.#parameters, 'embedding.weight'), false, true);
      return tf.add(scores, parameter(this.#parameters, 'decoder.bias'));
    });
    disposeState(before);
    const values = logits.dataSync<'float32'>();
    logits.dispose();
    return values;
  }

  dispose(): void {
    disposeState(this.#state);
  }
}

const CASE_MARKS: ReadonlySet<string> = new Set([UPPER_CASE, CAPITALIZED]);
const REPETITIONS: ReadonlySet<string> = new Set([REPEATED_CHARACTER, REPEATED_WORD]);
const MARKS: ReadonlySet<string> = new Set([...CASE_MARKS, ...REPETITIONS, FIELD]);

/** Counts the words of a text that is being written. */
interface Progress {
  /** Whether the text has enough words, so that this token is not written any more. */
  isDoneBefore(token: string): boolean;
  /** Whether the text has enough words with this token. */
  isDoneAfter(token: string): boolean;
}

/** A mark stands before its word, so a text is never cut between them. */
class ForwardProgress implements Progress {
  readonly #wanted: number;
  #words = 0;
  #tokens = 0;
  /** Tokens that still belong to a mark. */
  #open = 0;

  constructor(words: number) {
    this.#wanted = words;
  }

  isDoneBefore(): boolean {
    return false;
  }

  isDoneAfter(token: string): boolean {
    this.#tokens++;
    this.#open = MARKS.has(token) ? (REPETITIONS.has(token) ? 2 : 1) : Math.max(0, this.#open - 1);
    if (this.#open === 0) this.#words++;
    return this.#words >= this.#wanted || this.#tokens >= MOST_TOKENS_A_WORD * this.#wanted;
  }
}

/** A mark is written after its word, so that after the last word its mark is waited for. */
class BackwardProgress implements Progress {
  readonly #wanted: number;
  #words = 0;
  #tokens = 0;

  constructor(words: number) {
    this.#wanted = words;
  }

  isDoneBefore(token: string): boolean {
    return this.#words >= this.#wanted && !CASE_MARKS.has(token);
  }

  isDoneAfter(token: string): boolean {
    this.#tokens++;
    if (!MARKS.has(token)) this.#words++;
    const enough = this.#words >= this.#wanted && CASE_MARKS.has(token);
    return enough || this.#tokens >= MOST_TOKENS_A_WORD * this.#wanted;
  }
}
