import { beforeAll, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { UserError } from '../../text/errors.ts';
import { detokenize, tokenize } from '../../text/tokenizer.ts';
import { SPECIAL_TOKENS, Vocabulary } from '../../text/vocabulary.ts';
import type { StoredModel } from '../checkpoint/modelFolder.ts';
import { tokenCorpus } from '../data/tokenCorpus.ts';
import { tf, type Tensor } from '../engine/operations.ts';
import { toHost } from '../engine/transfer.ts';
import { awdLstm, disposeState, zeroState } from '../model/awdLstm.ts';
import { initializeLanguageModel } from '../model/initialize.ts';
import { tinyLanguageModel } from '../testSupport.ts';
import { LanguageModelTask } from './languageModelTask.ts';
import { generate, generateText, joinPrompt, unknownWords, type GenerateOptions } from './generate.ts';
import { TrainedLanguageModel } from './trainedLanguageModel.ts';

const VERSE = 'The cat sat on the mat, and the dog lay by the DOOR.';
const WORDS = [...new Set(tokenize(VERSE))].filter((token) => !SPECIAL_TOKENS.includes(token as never));
const VOCABULARY = Vocabulary.fromTokens([...SPECIAL_TOKENS, ...WORDS, 'bird', 'xxfake', 'xxfake']);
const SIZES = { vocabulary: VOCABULARY.size, embedding: 20, hidden: 24, layers: 2 };

const EPOCHS = 8;

/** A model that has read nothing but one sentence, over and over. */
function learnByHeart(direction: 'forward' | 'backward'): TrainedLanguageModel {
  const corpus = tokenCorpus(Array.from({ length: 40 }, () => VOCABULARY.encode(tokenize(VERSE))));
  const parameters = initializeLanguageModel(SIZES, 3);
  const task = new LanguageModelTask(
    SIZES,
    parameters,
    { training: corpus },
    {
      batch: 4,
      bptt: 12,
      epochs: new Array<number[]>(EPOCHS).fill([0.02, 0.02, 0.02]),
      maxSteps: Number.POSITIVE_INFINITY,
      schedule: 'constant',
      dropMult: 0,
      weightDecay: 0,
      clip: 1,
      seed: 1,
      backwards: direction === 'backward',
    },
  );
  for (let epoch = 0, step = 0; epoch < EPOCHS; epoch++) {
    for (const [stepInEpoch, window] of [...task.items(epoch, 0)].entries())
      task.step(window, { step: step++, epoch, stepInEpoch }).loss.dispose();
    task.endEpoch(); // and so every epoch starts from a state of zeros, as a text does
  }
  const tensors = toHost(task.optimizer.parameters);
  task.dispose();
  return modelOf({ tensors, direction });
}

function modelOf({
  tensors,
  direction = 'forward',
}: Pick<StoredModel, 'tensors'> & { direction?: 'forward' | 'backward' }): TrainedLanguageModel {
  const description: StoredModel['description'] = {
    schemaVersion: 1,
    kind: 'languageModel',
    tokenizerVersion: 1,
    direction,
    sizes: SIZES,
    chunkLength: 70,
    created: '2026-01-31T12:00:00.000Z',
  };
  return new TrainedLanguageModel({ description, tensors, vocabulary: VOCABULARY });
}

/** A model that has learned nothing, so that every word is about as likely. */
const freshModel = (direction: 'forward' | 'backward' = 'forward') =>
  modelOf({ tensors: toHost(initializeLanguageModel(SIZES, 1)), direction });

/** A model that always says one token, whatever it has read: the decoder's bias decides. */
const stubbornModel = (token: string, direction: 'forward' | 'backward' = 'forward') => biasedModel({ [token]: 50 }, direction);

function biasedModel(biases: Readonly<Record<string, number>>, direction: 'forward' | 'backward' = 'forward'): TrainedLanguageModel {
  const tensors = toHost(tinyLanguageModel(SIZES));
  const bias = Float32Array.from(VOCABULARY.tokens, (token) => biases[token] ?? 0);
  return modelOf({ tensors: tensors.set('decoder.bias', { shape: [SIZES.vocabulary], data: bias }), direction });
}

const tokensOf = (model: TrainedLanguageModel, options: GenerateOptions) => [...generate(model, options)];

describe('a model that knows a sentence by heart', () => {
  let forward: TrainedLanguageModel;
  let backward: TrainedLanguageModel;
  beforeAll(() => {
    forward = learnByHeart('forward');
    backward = learnByHeart('backward');
  });

  it('says it, and stops where the next document begins', () => {
    expect(generateText(forward, { temperature: 0 })).toEqual({ text: VERSE, tokens: tokenize(VERSE).slice(1), ending: 'document' });
  });

  it('goes on from a prompt, which stays as it was written', () => {
    expect(generateText(forward, { temperature: 0, prompt: 'The  cat sat' }).text).toBe(VERSE.replace('The cat', 'The  cat'));
    expect(generateText(forward, { temperature: 0, prompt: 'The cat ' }).text).toBe(VERSE);
  });

  it('stops after as many words, punctuation among them, and never between a mark and its word', () => {
    expect(generateText(forward, { temperature: 0, words: 1 })).toMatchObject({ text: 'The', tokens: ['xxmaj', 'the'], ending: 'words' });
    expect(generateText(forward, { temperature: 0, words: 7 }).text).toBe('The cat sat on the mat,');
    expect(generateText(forward, { temperature: 0, words: 3, prompt: 'The dog lay by' }).text).toBe('The dog lay by the DOOR.');
    expect(generateText(forward, { temperature: 0, words: 2, prompt: 'The dog lay by' }).text).toBe('The dog lay by the DOOR');
  });

  it('says it backwards, the prompt being its end', () => {
    expect(generateText(backward, { temperature: 0 })).toEqual({ text: VERSE, tokens: tokenize(VERSE).slice(1), ending: 'document' });
    expect(generateText(backward, { temperature: 0, prompt: 'by  the DOOR.' }).text).toBe(VERSE.replace('by the', 'by  the'));
    expect(tokensOf(backward, { temperature: 0, words: 3 })).toEqual(['.', 'door', 'xxup', 'the']);
    expect(generateText(backward, { temperature: 0, words: 2 })).toMatchObject({ text: 'DOOR.', ending: 'words' });
    expect(generateText(backward, { temperature: 0, words: 14, prompt: '.' })).toMatchObject({ text: VERSE, ending: 'words' });
  });

  it('says it at the usual temperature as well, as it knows no other', () => {
    expect(generateText(forward, { seed: 5 }).text).toBe(VERSE);
  });
});

describe('generate', () => {
  it('draws the same text from the same seed and index, and others from others', () => {
    const model = freshModel();
    const text = (seed: number, index = 0) => tokensOf(model, { seed, index, words: 30 }).join(' ');
    expect(text(1)).toBe(text(1));
    expect(new Set([text(1), text(2), text(1, 1), text(1, 2)]).size).toBe(4);
  });

  it('reads a prompt at once as it would token by token, whatever its length', () => {
    const model = biasedModel({ xxbos: -50, xxeos: -50 }); // which never ends
    const words = Array.from({ length: 1030 }, (_, index) => ['cat', 'dog', 'the', 'on', 'lay'][(index * index) % 11] ?? 'sat');
    const next = likeliestAfterEach(model, VOCABULARY.encode(['xxbos', ...words]));
    expect(new Set(next).size).toBeGreaterThan(1);
    for (const length of [0, 1, 510, 511, 512, 1023, 1030]) {
      const [first] = tokensOf(model, { prompt: words.slice(0, length).join(' '), temperature: 0, words: 1 });
      expect(first).toBe(next[length]);
    }
  });

  /** The likeliest token after each beginning of a text that is read one token at a time; never an excluded one. */
  function likeliestAfterEach({ parameters }: TrainedLanguageModel, ids: Int32Array): string[] {
    let state = zeroState(SIZES, 1);
    return Array.from(ids, (id) => {
      const encoded = awdLstm(parameters, tf.tensor2d([id], [1, 1], 'int32'), state);
      disposeState(state);
      state = encoded.state;
      const scores = tf.add(
        tf.dot(parameters.get('embedding.weight') as Tensor, encoded.raw.flatten()),
        parameters.get('decoder.bias') as Tensor,
      );
      const allowed = [...scores.dataSync().entries()].filter(
        ([token]) => ![0, 1, SIZES.vocabulary - 1, SIZES.vocabulary - 2].includes(token),
      );
      const [best = -1] = allowed.toSorted(([, a], [, b]) => b - a)[0] ?? [];
      return VOCABULARY.tokens[best] ?? '';
    });
  }

  it('never writes xxunk, padding or fillers, unless xxunk is asked for', () => {
    const model = freshModel();
    const seen = (unknown: boolean) => {
      const tokens = new Set<string>();
      for (let index = 0; index < 12; index++)
        for (const token of generate(model, { index, unknown, temperature: 5, words: 60 })) tokens.add(token);
      return tokens;
    };
    const usual = seen(false);
    for (const token of ['xxunk', 'xxpad', 'xxfake', 'xxbos', 'xxeos']) expect(usual).not.toContain(token);
    expect(usual.size).toBe(VOCABULARY.size - 6);
    expect(seen(true)).toContain('xxunk');
  });

  it.each(['xxbos', 'xxeos'])('ends at once where %s comes first', (token) => {
    expect(generateText(stubbornModel(token), { prompt: 'The cat' })).toEqual({ text: 'The cat', tokens: [], ending: 'document' });
  });

  it.each([
    ['xxmaj', 'forward'],
    ['xxrep', 'forward'],
    ['xxmaj', 'backward'],
    ['xxrep', 'backward'],
  ] as const)('ends where a model writes nothing but %s (%s)', (token, direction) => {
    const { tokens, text, ending } = generateText(stubbornModel(token, direction), { words: 5 });
    expect(tokens.length).toBeLessThanOrEqual(20);
    expect({ text, ending }).toEqual({ text: '', ending: 'words' });
  });

  it('leaves no tensor behind, also where it is not read to its end', () => {
    const model = freshModel();
    const before = tf.memory().numTensors;
    for (const _token of generate(model, { words: 20 })) break;
    tokensOf(model, { words: 5 });
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
    expect(tf.memory().numTensors).toBe(before - model.parameters.size);
  });

  it.each([
    [{ temperature: -0.5 }, 'The temperature is -0.5'],
    [{ topP: 0 }, 'top-p is 0'],
    [{ topP: 1.5 }, 'top-p is 1.5'],
    [{ topK: 0 }, 'top-k is 0'],
    [{ words: 0 }, '0 words cannot be written'],
    [{ words: 2.5 }, '2.5 words cannot be written'],
  ])('refuses %o', (options, message) => {
    expect(() => generateText(freshModel(), options)).toThrow(UserError);
    expect(() => generateText(freshModel(), options)).toThrow(message);
  });
});

describe('joinPrompt', () => {
  it('puts a prompt and what was written together as English does', () => {
    expect(joinPrompt('He did', ["n't", 'go', '.'], 'forward')).toBe("He didn't go.");
    expect(joinPrompt('McFly', ['is', 'late'], 'forward')).toBe('McFly is late');
    expect(joinPrompt('', ['xxmaj', 'so', '.'], 'forward')).toBe('So.');
    expect(joinPrompt('of McFly.', ['xxmaj', 'the', 'end'], 'backward')).toBe('The end of McFly.');
  });

  it('grows at its end alone while a forward model writes, so that it can be printed token by token', () => {
    const token = fc.constantFrom(
      ...SPECIAL_TOKENS,
      ...WORDS,
      '3',
      '1',
      "n't",
      '"',
      "'",
      '(',
      ')',
      '-',
      '/',
      '!',
      '\n',
      '▁',
      '我',
      '😀',
      'dogs',
      '…',
      '$',
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 30 }), fc.constantFrom('', 'The cat', '"Go', "dogs'", 'I'), (tokens, prompt) => {
        let printed = joinPrompt(prompt, [], 'forward');
        expect(printed).toBe(prompt);
        for (let count = 1; count <= tokens.length; count++) {
          const text = joinPrompt(prompt, tokens.slice(0, count), 'forward');
          expect(text.startsWith(printed)).toBe(true);
          printed = text;
        }
        expect(detokenize([...tokenize(prompt), ...tokens]).endsWith(printed.slice(prompt.length))).toBe(true);
      }),
    );
  });
});

it('unknownWords names what a model does not know, once each', () => {
  expect(unknownWords('The zebra sat, the ZEBRA and a yak', VOCABULARY)).toEqual(['zebra', 'a', 'yak']);
  expect(unknownWords(VERSE, VOCABULARY)).toEqual([]);
});
