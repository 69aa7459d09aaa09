/** That a training step runs under every dropout, drawn for that step: the loss it tells is the model's own under those masks, and no other. */
import { describe, expect, it } from 'vitest';
import { tokenCorpus } from '../data/tokenCorpus.ts';
import { tf, type Tensor } from '../engine/operations.ts';
import {
  CLASSIFIER_DROPOUTS,
  disposeState,
  drawMasks,
  LANGUAGE_MODEL_DROPOUTS,
  scaleDropouts,
  zeroState,
  type Dropouts,
} from '../model/awdLstm.ts';
import { classifierLoss, readBeforeWindow } from '../model/classifier.ts';
import { languageModelLoss } from '../model/languageModel.ts';
import { oneHot } from '../model/objective.ts';
import { numbers, randomDocument, TINY, tinyClassifierParameters, tinyLanguageModel } from '../testSupport.ts';
import { ClassifierTask } from './classifierTask.ts';
import { LanguageModelTask } from './languageModelTask.ts';

/** A seed that has the language model drop a word that it reads: few are dropped. */
const SHARED = { batch: 6, bptt: 7, schedule: 'constant', dropMult: 0.9, weightDecay: 0, clip: 0, seed: 3 } as const;
/** Neither the first step nor the first of an epoch. */
const POSITION = { step: 11, epoch: 1, stepInEpoch: 2 };
const KEY = { seed: SHARED.seed, step: POSITION.step };

const value = (tensor: Tensor): number => numbers(tensor)[0] ?? Number.NaN;

/** The dropouts with one of them left out, one after the other. */
const oneLess = (dropouts: Dropouts): [left: string, others: Dropouts][] =>
  Object.keys(dropouts).map((name) => [name, { ...dropouts, [name]: 0 }]);

describe('a step of LanguageModelTask', () => {
  it('runs under all five dropouts, by their probabilities, and under masks of its own', () => {
    const documents = Array.from({ length: 20 }, (_, row) => randomDocument(60, `document ${row}`));
    const task = new LanguageModelTask(
      TINY,
      tinyLanguageModel(),
      { training: tokenCorpus(documents) },
      { ...SHARED, epochs: new Array<number[]>(2).fill([1, 1, 1, 1]), maxSteps: Number.POSITIVE_INFINITY, backwards: false },
    );
    const [window] = task.items(POSITION.epoch, POSITION.stepInEpoch);
    if (window === undefined) throw new Error('no window');
    const shape: [number, number] = [window.time, window.batch];
    const batch = { ids: tf.tensor2d(window.ids, shape, 'int32'), targets: tf.tensor2d(window.targets, shape, 'int32') };
    const lossUnder = (dropouts: Dropouts, key = KEY): number => {
      const state = zeroState(TINY, SHARED.batch);
      const loss = languageModelLoss(task.optimizer.parameters, batch, state, drawMasks(TINY, SHARED.batch, dropouts, key));
      disposeState(loss.state);
      return value(loss.crossEntropy);
    };
    const dropouts = scaleDropouts(LANGUAGE_MODEL_DROPOUTS, SHARED.dropMult);
    const expected = lossUnder(dropouts);
    for (const [name, others] of oneLess(dropouts)) expect(Math.abs(lossUnder(others) - expected), name).toBeGreaterThan(1e-4);
    expect(Math.abs(lossUnder(dropouts, { ...KEY, step: 0 }) - expected)).toBeGreaterThan(1e-4);
    expect(value(task.step(window, POSITION).loss)).toBeCloseTo(expected, 6);
  });
});

describe('a step of ClassifierTask', () => {
  // With the narrow window the long documents are read without a gradient first, under the same masks.
  it.each([1440, 7])('runs under all five dropouts, by their probabilities, and under masks of its own: window %i', (bpttWindow) => {
    const documents = [20, 33, 16, 9, 25, 12].map((length) => randomDocument(length, 'document'));
    const targets = oneHot([0, 1, 2, 0, 1, 2], 3);
    const settings = { ...SHARED, bpttWindow, epochs: new Array<number[]>(2).fill([1, 1, 1, 1, 1]) };
    const task = new ClassifierTask(TINY, tinyClassifierParameters(), { training: { documents, targets } }, settings);
    const options = { chunkLength: SHARED.bptt, window: bpttWindow };
    const { parameters } = task.optimizer;
    const lossUnder = ({ output, ...encoder }: Dropouts, key = KEY, early = true): number => {
      const masks = drawMasks(TINY, documents.length, { ...encoder, output: 0 }, key);
      const before = readBeforeWindow(TINY, parameters, documents, options, early ? masks : {});
      return value(classifierLoss(parameters, { documents, targets }, before, options, masks, { dropout: output, key: KEY }).loss);
    };
    const dropouts = scaleDropouts(CLASSIFIER_DROPOUTS, SHARED.dropMult);
    const expected = lossUnder(dropouts);
    for (const [name, others] of oneLess(dropouts)) expect(Math.abs(lossUnder(others) - expected), name).toBeGreaterThan(1e-4);
    expect(Math.abs(lossUnder(dropouts, { ...KEY, step: 0 }) - expected)).toBeGreaterThan(1e-4);
    if (bpttWindow < 33) expect(Math.abs(lossUnder(dropouts, KEY, false) - expected)).toBeGreaterThan(1e-4);
    expect(value(task.step([...documents.keys()], POSITION).loss)).toBeCloseTo(expected, 5);
  });
});
