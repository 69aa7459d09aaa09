import { describe, expect, it } from 'vitest';
import { tinyClassifier } from '../../test/fixtures/tinyClassifier.ts';
import { referenceLogits } from '../../test/fixtures/referenceClassifier.ts';
import { UserError } from '../../text/errors.ts';
import { tokenizeFields } from '../../text/tokenizer.ts';
import { Vocabulary } from '../../text/vocabulary.ts';
import type { ModelDescription, StoredModel } from '../checkpoint/modelFolder.ts';
import { tf } from '../engine/operations.ts';
import { randomDocument } from '../testSupport.ts';
import { affordableWords, type Explanation } from '../../text/explanation.ts';
import { explainDocument } from './explain.ts';
import { prefixAnswers } from './prefixAnswers.ts';
import { TrainedClassifier } from './trainedClassifier.ts';

type Kind = Partial<Pick<ModelDescription, 'task' | 'range' | 'temperature' | 'direction'>> & { seed?: number; classes?: number };

function stored({ seed = 8, classes = 3, ...kind }: Kind = {}): StoredModel {
  const model = tinyClassifier({ seed, classes, embedding: 12, hidden: 16, layers: 2, chunkLength: 7 });
  const labels = kind.task === 'regression' ? [] : model.config.labels;
  const description = { ...model.config, ...kind, labels, schemaVersion: 1, created: '2026-01-31T12:00:00.000Z' } as ModelDescription;
  return { description, tensors: model.tensors, vocabulary: Vocabulary.fromTokens(model.vocabulary) };
}

const single = (kind?: Kind) => new TrainedClassifier([stored(kind)]);
const pair = () => new TrainedClassifier([stored({ seed: 8 }), stored({ seed: 9, direction: 'backward' })]);

const TEXT = ["The film wasn't GOOD, it was boring and zzz very bad!!! I love a funny plot."];
const TOKENS = tokenizeFields(TEXT);
const shown = ({ words }: Explanation) => words.map(({ text }) => text);

/** A classifier's answers to token ids in the order of the text. */
function answersTo(classifier: TrainedClassifier, documents: readonly Int32Array[]): number[][] {
  const each = classifier.members.map((member) =>
    member.answers(documents.map((ids) => (member.model.description.direction === 'forward' ? ids : ids.toReversed()))),
  );
  return documents.map((_, index) => {
    const [first = new Float32Array(), ...others] = each.map((answers) => answers[index] as Float32Array);
    return Array.from(first, (value, k) => others.reduce((sum, other) => sum + (other[k] ?? 0), value) / each.length);
  });
}

const encode = ({ members }: TrainedClassifier, tokens: readonly string[] = TOKENS) =>
  members[0]?.model.vocabulary.encode(tokens) ?? new Int32Array();

/** The words' tokens, found by hand. */
const RANGES: Readonly<Record<string, readonly [first: number, end: number]>> = Object.fromEntries(
  (
    [
      ['The', 'xxmaj the'],
      ['film', 'film'],
      ["wasn't", "was n't"],
      ['GOOD', 'xxup good'],
      ['boring', 'boring'],
      ['zzz', 'xxrep 3 z'],
      ['!!!', 'xxrep 3 !'],
      ['I', 'i'],
    ] as const
  ).map(([word, tokens]) => {
    const wanted = tokens.split(' ');
    const first = TOKENS.findIndex((_, index) => wanted.every((token, k) => TOKENS[index + k] === token));
    return [word, [first, first + wanted.length]];
  }),
);

describe('prefixAnswers', () => {
  const document = randomDocument(40, 'prefixes', 200);

  it.each([
    ['singleLabel', {}],
    ['singleLabel', { temperature: 1.7 }],
    ['multiLabel', { temperature: 0.6 }],
    ['regression', { classes: 1 }],
    ['regression', { classes: 1, range: [1, 5] }],
  ] as const)('are the answers to the truncated documents (%s, %o)', (task, kind) => {
    const classifier = single({ task, ...(kind as Kind) });
    const [member] = classifier.members;
    if (member === undefined) throw new Error('no member');
    const found = prefixAnswers(member.model.description.sizes, member.parameters, document, 7, member.answering);
    const wanted = member.answers(
      document
        .keys()
        .map((index) => document.slice(0, index + 1))
        .toArray(),
    );
    expect(found).toHaveLength(document.length);
    for (const [index, answer] of wanted.entries()) {
      expect(found[index]).toHaveLength(answer.length);
      for (const [k, value] of answer.entries()) expect(Math.abs((found[index]?.[k] ?? Number.NaN) - value)).toBeLessThan(1e-5);
    }
    // They are not all the same, or this would say nothing.
    expect(Math.max(...found.map(([value = 0]) => value)) - Math.min(...found.map(([value = 0]) => value))).toBeGreaterThan(0.01);
  });

  it('agree with the formula, computed by hand', () => {
    const model = stored();
    const classifier = new TrainedClassifier([model]);
    const found = prefixAnswers(model.description.sizes, classifier.members[0]?.parameters ?? new Map(), document.slice(0, 9), 4, {
      task: 'singleLabel',
    });
    for (const [index, answer] of found.entries()) {
      const logits = referenceLogits(model.tensors as never, document.slice(0, index + 1));
      const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
      for (const [k, logit] of logits.entries()) expect(answer[k]).toBeCloseTo(Math.exp(logit) / sum, 5);
    }
  });

  it('do not depend on the chunks', () => {
    const { members } = single();
    const { sizes } = stored().description;
    const run = (chunk: number) => prefixAnswers(sizes, members[0]?.parameters ?? new Map(), document, chunk, { task: 'singleLabel' });
    const whole = run(1000);
    for (const chunk of [1, 13]) {
      for (const [index, answer] of run(chunk).entries())
        for (const [k, value] of answer.entries()) expect(value).toBeCloseTo(whole[index]?.[k] ?? Number.NaN, 5);
    }
  });

  it('take no more memory for a longer document, and leave nothing behind', async () => {
    const [member] = single().members;
    if (member === undefined) throw new Error('no member');
    const peakOf = async (length: number) => {
      const ids = randomDocument(length, 'long', 200);
      const before = tf.memory().numBytes;
      const { peakBytes } = await tf.profile(() => {
        prefixAnswers(member.model.description.sizes, member.parameters, ids, 7, member.answering);
        return [];
      });
      expect(tf.memory().numBytes).toBe(before);
      return peakBytes - before;
    };
    const peak = await peakOf(49);
    expect(peak).toBeGreaterThan(0);
    expect(await peakOf(490)).toBe(peak);
  });
});

describe('explainDocument', () => {
  const classifier = single();
  const explanation = explainDocument(classifier, TEXT);

  it('explains the label with the highest probability, which is what the classifier answers', () => {
    const [answer = []] = answersTo(classifier, [encode(classifier)]);
    for (const [index, value] of answer.entries()) expect(explanation.answer[index]).toBeCloseTo(value, 5);
    const best = answer.indexOf(Math.max(...answer));
    expect(explanation).toMatchObject({ task: 'singleLabel', label: classifier.labels[best], direction: 'forward', isPair: false });
    expect(explanation.value).toBe(explanation.answer[best]);
    expect(explanation.last).toBe(explanation.value);
  });

  it('shows the words as they stand in the text', () => {
    expect(explanation.text).toBe(TEXT[0]);
    expect(shown(explanation)).toEqual([
      'The',
      'film',
      "wasn't",
      'GOOD',
      ',',
      'it',
      'was',
      'boring',
      'and',
      'zzz',
      'very',
      'bad',
      '!!!',
      'I',
      'love',
      'a',
      'funny',
      'plot',
      '.',
    ]);
    for (const { text, start, end } of explanation.words) expect(explanation.text.slice(start, end)).toBe(text);
    expect(explanation.words.filter(({ isUnknown }) => isUnknown).map(({ text }) => text)).toEqual(['zzz', '!!!']);
  });

  it('gives each word the answer to the document that ends with it', () => {
    const target = classifier.labels.indexOf(explanation.label ?? '');
    const ends = Object.entries(RANGES).map(([word, [, end]]) => ({ word, ids: encode(classifier).slice(0, end) }));
    const answers = answersTo(
      classifier,
      ends.map(({ ids }) => ids),
    );
    for (const [index, { word }] of ends.entries()) {
      expect(explanation.words.find(({ text }) => text === word)?.value).toBeCloseTo(answers[index]?.[target] ?? Number.NaN, 5);
    }
    const [start = []] = answersTo(classifier, [encode(classifier).slice(0, 1)]);
    expect(explanation.start).toBeCloseTo(start[target] ?? Number.NaN, 5);
  });

  it('says what each word changes, which adds up to the answer', () => {
    const { words, start = Number.NaN, last } = explanation;
    for (const [index, { value, change = Number.NaN }] of words.entries()) expect(change).toBe(value - (words[index - 1]?.value ?? start));
    expect(words.reduce((sum, { change = Number.NaN }) => sum + change, start)).toBeCloseTo(last, 6);
  });

  it.each([
    ['unknown', [0]],
    ['leftOut', []],
  ] as const)('scores a word by what the answer loses without it, marks and all (%s)', (occlusion, inItsPlace) => {
    const { words, value, label } = explainDocument(classifier, TEXT, { occlusion });
    const target = classifier.labels.indexOf(label ?? '');
    const ids = [...encode(classifier)];
    const ranges = Object.entries(RANGES);
    const answers = answersTo(
      classifier,
      ranges.map(([, [first, end]]) => Int32Array.from(ids.toSpliced(first, end - first, ...inItsPlace))),
    );
    for (const [index, [word]] of ranges.entries()) {
      const score = words.find(({ text }) => text === word)?.occlusion;
      expect(score).toBeCloseTo(value - (answers[index]?.[target] ?? Number.NaN), 5);
    }
    expect(Math.max(...words.map(({ occlusion: score = 0 }) => Math.abs(score)))).toBeGreaterThan(0.005);
  });

  it('explains another label where one is named', () => {
    const other = classifier.labels.find((label) => label !== explanation.label) ?? '';
    const { label, value, answer } = explainDocument(classifier, TEXT, { label: other });
    expect(label).toBe(other);
    expect(value).toBe(answer[classifier.labels.indexOf(other)]);
    expect(() => explainDocument(classifier, TEXT, { label: 'sport' })).toThrow(UserError);
    expect(() => explainDocument(classifier, TEXT, { label: 'sport' })).toThrow(
      'does not know the label "sport". It was trained on: "negative"',
    );
  });

  it('occludes no more words than it may: those that move the answer most', () => {
    const some = explainDocument(classifier, TEXT, { mostOccluded: 4 });
    const moves = explanation.words.map(({ change = 0 }) => Math.abs(change)).toSorted((a, b) => b - a);
    const tried = some.words.filter(({ occlusion }) => occlusion !== undefined);
    expect(some.occluded).toBe(4);
    expect(tried.map(({ change = 0 }) => Math.abs(change)).toSorted((a, b) => b - a)).toEqual(moves.slice(0, 4));
    for (const word of tried) {
      const all = explanation.words.find(({ start }) => start === word.start);
      expect(word.occlusion).toBeCloseTo(all?.occlusion ?? Number.NaN, 5);
    }
  });

  it('takes a document without words', () => {
    const empty = explainDocument(classifier, ['']);
    expect(empty).toMatchObject({ words: [], text: '', occluded: 0 });
    expect(empty.start).toBe(empty.last);
  });

  it('takes several text columns', () => {
    const { text, words } = explainDocument(classifier, ['Good film', 'boring plot']);
    expect(text).toBe('Good film\n\nboring plot');
    expect(words.map((word) => word.text)).toEqual(['Good', 'film', 'boring', 'plot']);
    const [answer = []] = answersTo(classifier, [encode(classifier, tokenizeFields(['Good film', 'boring plot']))]);
    expect(words.at(-1)?.value).toBeCloseTo(Math.max(...answer), 5);
  });

  it('leaves no tensor behind', () => {
    const before = tf.memory().numTensors;
    explainDocument(classifier, TEXT);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('explainDocument of other classifiers', () => {
  it('explains the label with the highest probability of several', () => {
    const classifier = single({ task: 'multiLabel' });
    const { task, label, value, answer, words } = explainDocument(classifier, TEXT);
    expect({ task, label }).toEqual({ task: 'multiLabel', label: classifier.labels[answer.indexOf(Math.max(...answer))] });
    expect(words.at(-1)?.value).toBe(value);
    expect(answer.reduce((sum, probability) => sum + probability, 0)).not.toBeCloseTo(1, 2);
  });

  it('explains the number of a regression', () => {
    const classifier = single({ task: 'regression', classes: 1, range: [1, 5] });
    const explanation = explainDocument(classifier, TEXT);
    const [[value = Number.NaN] = []] = answersTo(classifier, [encode(classifier)]);
    expect(explanation).toMatchObject({ task: 'regression', label: undefined, labels: [] });
    expect(explanation.value).toBeCloseTo(value, 5);
    expect(() => explainDocument(classifier, TEXT, { label: 'good' })).toThrow(
      'The model answers with a number, so there is no label "good" to explain.',
    );
  });

  it('reads as a backward model does, from the last word to the first', () => {
    const classifier = single({ direction: 'backward' });
    const { words, start, last, direction, label } = explainDocument(classifier, TEXT);
    const target = classifier.labels.indexOf(label ?? '');
    expect({ start, direction }).toEqual({ start: undefined, direction: 'backward' });
    expect(words.at(-1)?.change).toBeUndefined();
    expect(words[0]?.change).toBe((words[0]?.value ?? 0) - (words[1]?.value ?? 0));
    // The answer to the document that begins with the word; the whole one has xxbos before it.
    const [first = 0] = RANGES['GOOD'] ?? [];
    const [answer = [], whole = []] = answersTo(classifier, [encode(classifier).slice(first), encode(classifier)]);
    expect(words.find(({ text }) => text === 'GOOD')?.value).toBeCloseTo(answer[target] ?? Number.NaN, 5);
    expect(last).toBeCloseTo(whole[target] ?? Number.NaN, 5);
  });

  it('of a pair has the curve of the forward model, and the mean answer and occlusion of both', () => {
    const both = pair();
    const explanation = explainDocument(both, TEXT);
    const target = both.labels.indexOf(explanation.label ?? '');
    const [whole = []] = answersTo(both, [encode(both)]);
    expect(explanation.isPair).toBe(true);
    expect(explanation.value).toBeCloseTo(whole[target] ?? Number.NaN, 5);
    const alone = explainDocument(single({ seed: 8 }), TEXT, { label: explanation.label });
    expect(explanation.words.map(({ value }) => value)).toEqual(alone.words.map(({ value }) => value));
    expect(explanation.last).toBe(alone.last);
    const [first = 0, end = 0] = RANGES["wasn't"] ?? [];
    const [without = []] = answersTo(both, [Int32Array.from([...encode(both)].toSpliced(first, end - first, 0))]);
    const score = explanation.words.find(({ text }) => text === "wasn't")?.occlusion;
    expect(score).toBeCloseTo((whole[target] ?? 0) - (without[target] ?? 0), 5);
  });
});

it.each([
  [1, 100],
  [600, 100],
  [1200, 50],
  [6000, 10],
  [1e6, 10],
])('of %i tokens, %i words are occluded by default', (tokens, words) => {
  expect(affordableWords(tokens)).toBe(words);
});
