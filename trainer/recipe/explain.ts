/** Explains the answers of classifiers on the training engine. */
import { documentWords, type DocumentWord } from '../../text/documentWords.ts';
import {
  beginExplanation,
  type ExplainOptions,
  type Explanation,
  meanAnswer,
  type Occlusion,
  withoutWord,
} from '../../text/explanation.ts';
import { tokenizeFields } from '../../text/tokenizer.ts';
import { prefixAnswers } from './prefixAnswers.ts';
import type { ClassifierMember, TrainedClassifier } from './trainedClassifier.ts';

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
  const [reader, ...others] = members as readonly [ClassifierMember, ...ClassifierMember[]];
  const curve = curveOf(reader, tokens);
  const answerAfter = (count: number): Float32Array => curve[count - 1] as Float32Array; // there is a token at least: xxbos
  const { words, occlusion, finish } = beginExplanation(
    {
      task,
      labels,
      document: documentWords(fields, tokens),
      tokens,
      direction: reader.model.description.direction,
      answerAfter,
      answers: [answerAfter(tokens.length), ...others.flatMap((member) => member.answers([inReadingOrder(member, idsOf(member, tokens))]))],
      isKnown: (token) => members.every(({ model }) => model.vocabulary.has(token)),
    },
    options,
  );
  return finish(answersWithout(members, tokens, words, occlusion));
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
  return words.map((_, index) => meanAnswer(each.map((answers) => answers[index] as Float32Array)));
}

const idsOf = ({ model }: ClassifierMember, tokens: readonly string[]): Int32Array => model.vocabulary.encode(tokens);

const inReadingOrder = ({ model }: ClassifierMember, ids: Int32Array): Int32Array =>
  model.description.direction === 'forward' ? ids : ids.toReversed();
