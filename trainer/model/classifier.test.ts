import { describe, expect, it } from 'vitest';
import { referenceProbabilities } from '../../test/fixtures/referenceClassifier.ts';
import { relativeDifference } from '../../test/parity/closeness.ts';
import { tf, type Tensor } from '../engine/operations.ts';
import { toHost } from '../engine/transfer.ts';
import { numbers, randomDocument, TINY, tinyClassifierParameters, valueAndGradients } from '../testSupport.ts';
import { CLASSIFIER_DROPOUTS, drawMasks, type DropoutMasks } from './awdLstm.ts';
import { classifierLogits, classifierLoss, disposeReading, readBeforeWindow, type DocumentOptions } from './classifier.ts';
import type { HeadTraining } from './head.ts';
import { oneHot } from './objective.ts';
import { isTrainable } from './parameters.ts';

const CLASSES = 3;
/** Around the borders of a chunk of 7, several chunks, and a single word. */
const LENGTHS = [20, 1, 7, 6, 8, 14, 33, 3];
const WHOLE: DocumentOptions = { chunkLength: 7, window: 1440 };
const NO_DROPOUT: HeadTraining = { dropout: 0, secondDropout: 0, key: { seed: 1, step: 0 } };

const parameters = tinyClassifierParameters(TINY, CLASSES);
const documents = LENGTHS.map((length) => randomDocument(length, 'document'));
const classes = documents.map((_, row) => row % CLASSES);

const softmax = (logits: Tensor): number[] => numbers(tf.softmax(logits));
const logitsOf = (texts: readonly Int32Array[], chunkLength = 7): number[] =>
  numbers(classifierLogits(TINY, parameters, texts, { chunkLength }));

describe('classifierLogits', () => {
  it('gives the probabilities of the plain equations, padding and chunks or not', () => {
    const tensors = new Map([...toHost(parameters)].map(([name, { shape, data }]) => [name, { shape: [...shape], data }]));
    const found = softmax(classifierLogits(TINY, parameters, documents, { chunkLength: 7 }));
    const expected = documents.flatMap((document) => referenceProbabilities(tensors, document));
    for (const [index, probability] of expected.entries()) expect(Math.abs((found[index] ?? Number.NaN) - probability)).toBeLessThan(1e-5);
    // The documents are not all alike, or the test would say nothing.
    expect(new Set(expected.map((probability) => probability.toFixed(3))).size).toBeGreaterThan(CLASSES * 4);
  });

  it('answers a document alone as it does in a batch', () => {
    const together = logitsOf(documents);
    for (const [row, document] of documents.entries()) {
      const inBatch = together.slice(row * CLASSES, (row + 1) * CLASSES);
      expect(relativeDifference(logitsOf([document]), inBatch), `${document.length} tokens`).toBeLessThan(1e-5);
    }
  });

  it.each([1, 2, 5, 14, 70])('gives the same answer in chunks of %i tokens', (chunkLength) => {
    expect(relativeDifference(logitsOf(documents, chunkLength), logitsOf(documents))).toBeLessThan(1e-5);
  });

  it('answers in the order given, whatever that is', () => {
    const order = [3, 0, 7, 6, 1, 5, 2, 4];
    const expected = logitsOf(documents);
    const found = logitsOf(order.map((row) => documents[row] as Int32Array));
    for (const [place, row] of order.entries()) {
      const [here, there] = [found.slice(place * CLASSES, (place + 1) * CLASSES), expected.slice(row * CLASSES, (row + 1) * CLASSES)];
      expect(relativeDifference(here, there)).toBeLessThan(1e-5);
    }
  });

  it('depends on every word of a document', () => {
    const [document = new Int32Array()] = documents;
    const before = logitsOf([document]);
    for (const place of document.keys()) {
      const changed = document.with(place, document[place] === 9 ? 10 : 9);
      expect(relativeDifference(logitsOf([changed]), before), `word ${place}`).toBeGreaterThan(1e-6);
    }
  });

  it('takes no more memory for a longer document, and leaves none behind', async () => {
    const peak = async (length: number) => {
      const { peakBytes } = await tf.profile(() =>
        classifierLogits(TINY, parameters, [randomDocument(length, 'long')], { chunkLength: 7 }),
      );
      return peakBytes;
    };
    const before = tf.memory().numTensors;
    const logits = classifierLogits(TINY, parameters, documents, { chunkLength: 7 });
    expect(tf.memory().numTensors).toBe(before + 1);
    logits.dispose();
    const short = await peak(70);
    expect(await peak(700)).toBeLessThan(short * 1.1);
  });
});

/** A training step's numbers: loss, logits, and the gradients by name. */
function train(
  texts: readonly Int32Array[],
  wanted: readonly number[],
  options: DocumentOptions,
  masks: DropoutMasks = {},
  training = NO_DROPOUT,
) {
  const names = [...parameters.keys()].filter(isTrainable);
  const before = readBeforeWindow(TINY, parameters, texts, options, masks);
  let logits: number[] = [];
  const tensors = names.map((name) => parameters.get(name) as Tensor);
  const { value, gradients } = valueAndGradients(() => {
    const result = classifierLoss(parameters, { documents: texts, targets: oneHot(wanted, CLASSES) }, before, options, masks, training);
    logits = numbers(result.logits);
    tf.dispose([...result.statistics.values()]);
    return result.loss;
  }, tensors);
  disposeReading(before);
  return { loss: value, logits, gradients: new Map(names.map((name, index) => [name, gradients[index] as Float32Array])) };
}

describe('classifierLoss', () => {
  it('does not depend on the order of the documents', () => {
    const order = [3, 0, 7, 6, 1, 5, 2, 4];
    const pick = <Item>(items: readonly Item[]) => order.map((row) => items[row] as Item);
    const expected = train(documents, classes, WHOLE);
    const found = train(pick(documents), pick(classes), WHOLE);
    expect(found.loss).toBeCloseTo(expected.loss, 5);
    for (const [name, gradient] of found.gradients) {
      expect(relativeDifference(gradient, expected.gradients.get(name) ?? []), name).toBeLessThan(1e-4);
    }
  });

  it('keeps each document under its own masks from its first chunk to its last', () => {
    // The long document's rows of the masks move with it.
    const masks = drawMasks(TINY, documents.length, { ...CLASSIFIER_DROPOUTS, output: 0 }, { seed: 1, step: 2 });
    const order = [...documents.keys()].toReversed();
    const pick = (mask: Tensor): Tensor => tf.gather(mask, tf.tensor1d(order, 'int32'), 1);
    const reordered: DropoutMasks = { ...masks, input: pick(masks.input as Tensor), hidden: (masks.hidden ?? []).map(pick) };
    for (const options of [WHOLE, { chunkLength: 7, window: 10 }]) {
      const expected = train(documents, classes, options, masks).logits;
      const found = train(documents.toReversed(), classes.toReversed(), options, reordered).logits;
      const restored = order.flatMap((_, row) => found.slice((order.length - 1 - row) * CLASSES, (order.length - row) * CLASSES));
      expect(relativeDifference(restored, expected)).toBeLessThan(1e-4);
      expect(relativeDifference(expected, train(documents, classes, options).logits)).toBeGreaterThan(0.01);
    }
  });

  it('sends no gradient to words before the window, and counts them all the same', () => {
    // Words 9 and 10 stand at the beginning alone, 12 to 15 in the last 14 words: the window of 10 tokens begins with the chunk at 28.
    const early = Int32Array.from({ length: 28 }, (_, place) => 9 + (place % 2));
    const text = Int32Array.of(...early, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12);
    const short = Int32Array.of(20, 21, 20);
    const options: DocumentOptions = { chunkLength: 7, window: 10 };
    const rowsWithGradient = ({ gradients }: ReturnType<typeof train>) => {
      const gradient = gradients.get('embedding.weight') ?? new Float32Array();
      const rows = Array.from({ length: TINY.vocabulary }, (_, id) => gradient.slice(id * TINY.embedding, (id + 1) * TINY.embedding));
      return [...rows.keys()].filter((id) => rows[id]?.some((value) => value !== 0));
    };
    const windowed = train([text, short], [0, 1], options);
    expect(rowsWithGradient(windowed)).toEqual([12, 13, 14, 15, 20, 21]);
    const whole = train([text, short], [0, 1], WHOLE);
    expect(rowsWithGradient(whole)).toEqual([9, 10, 12, 13, 14, 15, 20, 21]);
    expect(relativeDifference(windowed.logits, whole.logits)).toBeLessThan(1e-5);
    expect(windowed.loss).toBeCloseTo(whole.loss, 5);
    const changed = train([text.with(0, 11), short], [0, 1], options);
    expect(relativeDifference(changed.logits, windowed.logits)).toBeGreaterThan(1e-5);
  });
});

describe('readBeforeWindow', () => {
  it('takes no more memory for a longer document', async () => {
    const peak = async (length: number) => {
      const { peakBytes } = await tf.profile(() => {
        // As in a training step: what is not freed on purpose stays until the step's end.
        const reading = tf.tidy(
          () => readBeforeWindow(TINY, parameters, [randomDocument(length, 'long')], { chunkLength: 7, window: 7 }, {}) as never,
        );
        disposeReading(reading);
        return tf.scalar(0);
      });
      return peakBytes;
    };
    const short = await peak(70);
    expect(await peak(1400)).toBeLessThan(short * 1.2);
  });
});
