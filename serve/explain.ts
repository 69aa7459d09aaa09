/** Explains answers with the graph that gives them: its state is kept from word to word, so that a text is read once for its curve. */
import { documentWords } from '../text/documentWords.ts';
import { beginExplanation, meanAnswer, tokensRead, withoutWord, type ExplainOptions, type Explanation } from '../text/explanation.ts';
import { joinFields, tokenize } from '../text/tokenizer.ts';
import { valuesOf } from './answers.ts';
import type { Classifier } from './classifier.ts';
import type { DocumentState } from './classifierRuntime.ts';

export interface ExplainTextOptions extends ExplainOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told the number of tokens before anything is read; throws to refuse the text. */
  readonly checkTokens?: ((tokens: number) => void) | undefined;
}

/** Readings of the text without a word that are in line at a time. */
const READINGS_AT_ONCE = 16;

/**
 * Explains a classifier's answer to a text as the trainer does: how the answer moves word by word, and what it loses without each of the
 * words that move it most.
 *
 * @param fields the text, or the fields of one where the model was trained on several columns
 * @throws UserError for a label that the classifier does not know, and as `Classifier.classify`
 * @example
 * const { label, words } = await explainText(classifier, ['A warm and funny film.']);
 * words.find(({ text }) => text === 'funny')?.occlusion; // 0.08: without the word, the label's probability is .08 lower
 */
export async function explainText(
  classifier: Classifier,
  fields: readonly string[],
  { signal, checkTokens, ...options }: ExplainTextOptions = {},
): Promise<Explanation> {
  const { bundle, readings } = classifier;
  const tokens = tokenize(joinFields(fields));
  checkTokens?.(tokens.length);
  const release = classifier.hold();
  const failure = new AbortController();
  const either = signal === undefined ? failure.signal : AbortSignal.any([signal, failure.signal]);
  const idsOf = (member: number): Int32Array => readings[member]?.vocabulary.encode(tokens) ?? new Int32Array();
  const inReadingOrder = (member: number, ids: Int32Array) => (readings[member]?.direction === 'backward' ? ids.toReversed() : ids);
  const answerOf = async (member: number, ids: Int32Array): Promise<Float32Array> =>
    valuesOf(bundle, [(await classifier.readMember(member, inReadingOrder(member, ids), { signal: either })).logits]);
  const members = readings.map((_, member) => member);
  try {
    const document = documentWords(fields, tokens);
    const direction = readings[0]?.direction ?? 'forward';
    const { start, afterWord } = tokensRead(document.words, tokens.length, direction);
    const [curve, ...others] = await Promise.all([
      readCurve(classifier, inReadingOrder(0, idsOf(0)), [...afterWord, ...(start === undefined ? [] : [start])], either),
      ...members.slice(1).map((member) => answerOf(member, idsOf(member))),
    ]);
    const answerAfter = (count: number): Float32Array => curve.get(count) ?? new Float32Array();
    const begun = beginExplanation(
      {
        task: bundle.task,
        labels: bundle.labels,
        document,
        tokens,
        direction,
        answerAfter,
        answers: [answerAfter(tokens.length), ...others],
        isKnown: (token) => readings.every(({ vocabulary }) => vocabulary.has(token)),
      },
      options,
    );
    const without = new Array<Float32Array>(begun.words.length);
    const waiting = begun.words.entries();
    const readNext = async () => {
      for (const [index, word] of waiting) {
        const each = members.map((member) => answerOf(member, withoutWord(idsOf(member), word, begun.occlusion)));
        without[index] = meanAnswer(await Promise.all(each));
      }
    };
    await Promise.all(Array.from({ length: READINGS_AT_ONCE }, readNext));
    return begun.finish(without);
  } catch (error) {
    failure.abort(error);
    throw error;
  } finally {
    release();
  }
}

/** The first model's answer once so many tokens have been read, for each of these counts and for the whole text. */
async function readCurve(
  classifier: Classifier,
  ids: Int32Array,
  counts: readonly number[],
  signal: AbortSignal,
): Promise<ReadonlyMap<number, Float32Array>> {
  const curve = new Map<number, Float32Array>();
  const ends = [...new Set([...counts, ids.length])].filter((count) => count > 0).toSorted((one, other) => one - other);
  let state: DocumentState | undefined;
  let read = 0;
  for (const end of ends) {
    const result = await classifier.readMember(0, ids.subarray(read, end), { signal, state });
    curve.set(end, valuesOf(classifier.bundle, [result.logits]));
    ({ state } = result);
    read = end;
  }
  return curve;
}
