import { describe, expect, it } from 'vitest';
import { relativeDifference } from '../../test/parity/closeness.ts';
import { tokenCorpus } from '../data/tokenCorpus.ts';
import { tf, type Tensor } from '../engine/operations.ts';
import { awdLstm, zeroState } from '../model/awdLstm.ts';
import { initializeLanguageModel } from '../model/initialize.ts';
import type { Sizes } from '../model/presets.ts';
import { numbers, randomDocument, repetitiveCorpus, TINY, tinyLanguageModel } from '../testSupport.ts';
import { languageModelEntropy, LanguageModelTask, type LanguageModelSettings } from './languageModelTask.ts';

const SETTINGS: LanguageModelSettings = {
  batch: 4,
  bptt: 8,
  epochs: [[0.02, 0.02, 0.02, 0.02]],
  maxSteps: Number.POSITIVE_INFINITY,
  schedule: 'constant',
  dropMult: 0.1,
  weightDecay: 0,
  clip: 0.25,
  seed: 1,
  backwards: false,
};

const TRAINING = repetitiveCorpus(20, 60);
const VALIDATION = repetitiveCorpus(2, 40);

function createTask(settings: Partial<LanguageModelSettings> = {}, sizes: Sizes = TINY) {
  const parameters = initializeLanguageModel(sizes, 5);
  const task = new LanguageModelTask(sizes, parameters, { training: TRAINING, validation: VALIDATION }, { ...SETTINGS, ...settings });
  return { task, parameters };
}

/** Takes the first steps of an epoch. Returns the losses. */
function train(task: LanguageModelTask, steps: number, epoch = 0): number[] {
  const losses: number[] = [];
  for (const window of task.items(epoch, 0)) {
    if (losses.length === steps) break;
    const { loss } = task.step(window, { step: losses.length, epoch, stepInEpoch: losses.length });
    losses.push(numbers(loss)[0] ?? Number.NaN);
    loss.dispose();
  }
  return losses;
}

const copy = (tensors: ReadonlyMap<string, Tensor>) => new Map([...tensors].map(([name, tensor]) => [name, numbers(tensor)]));
const isZero = (tensors: ReadonlyMap<string, Tensor>) => [...copy(tensors).values()].flat().every((value) => value === 0);

describe('LanguageModelTask', () => {
  it('learns a text by heart', () => {
    const { task } = createTask({ epochs: [[0.05, 0.05]] }, { vocabulary: 24, embedding: 16, hidden: 16, layers: 1 });
    const losses = train(task, Number.POSITIVE_INFINITY);
    expect(losses[0]).toBeCloseTo(Math.log(24), 1);
    expect(losses.at(-1)).toBeLessThan(0.5);
    const { validationLoss = Number.NaN, perplexity = Number.NaN } = task.endEpoch();
    expect(validationLoss).toBeLessThan(0.5);
    expect(perplexity).toBe(Math.exp(validationLoss));
  });

  it('reports the loss of the text alone, in nats per token, before the step', () => {
    const { task, parameters } = createTask({ dropMult: 0 });
    const [window] = task.items(0, 0);
    if (window === undefined) throw new Error('no window');
    // Each stream's tokens as a document of its own, read from a state of zeros.
    const streams = Array.from({ length: window.batch }, (_, stream) => {
      const ids = Array.from({ length: window.time }, (_step, t) => window.ids[t * window.batch + stream] ?? -1);
      return Int32Array.of(...ids, window.targets[(window.time - 1) * window.batch + stream] ?? -1);
    });
    const options = { batch: 1, bptt: 100, backwards: false };
    const losses = streams.map((stream) => languageModelEntropy(TINY, parameters, tokenCorpus([stream]), options));
    const [found] = train(task, 1);
    expect(found).toBeCloseTo(losses.reduce((sum, loss) => sum + loss, 0) / losses.length, 5);
  });

  it('carries its state from window to window, and starts each epoch from zeros', () => {
    const { task } = createTask();
    expect(isZero(task.carried())).toBe(true);
    train(task, 1);
    expect(isZero(task.carried())).toBe(false);
    task.endEpoch();
    expect(isZero(task.carried())).toBe(true);
  });

  it('starts a window from the state that the one before left', () => {
    const losses = (forget: boolean) => {
      const { task } = createTask({ dropMult: 0, epochs: [[1e-9, 1e-9, 1e-9, 1e-9]] });
      for (const [name, tensor] of tinyLanguageModel()) task.optimizer.parameters.set(name, tf.keep(tensor));
      const [first, second] = task.items(0, 0);
      if (first === undefined || second === undefined) throw new Error('no windows');
      task.step(first, { step: 0, epoch: 0, stepInEpoch: 0 });
      if (forget) task.restoreCarried(new Map([...task.carried()].map(([name, tensor]) => [name, tf.zerosLike(tensor)])));
      return numbers(task.step(second, { step: 1, epoch: 0, stepInEpoch: 1 }).loss)[0] ?? Number.NaN;
    };
    expect(Math.abs(losses(false) - losses(true))).toBeGreaterThan(1e-3);
  });

  it('measures from zeros, without dropout, whatever the training has just read', () => {
    const { task, parameters } = createTask({ dropMult: 1, epochs: [[1e-12, 1e-12, 1e-12, 1e-12]] });
    const before = languageModelEntropy(TINY, parameters, VALIDATION, SETTINGS);
    train(task, 3);
    const first = task.endEpoch();
    expect(first['validationLoss']).toBeCloseTo(before, 6);
    expect(task.endEpoch()).toEqual(first);
  });

  it('measures nothing where nothing is held out', () => {
    const parameters = initializeLanguageModel(TINY, 5);
    const task = new LanguageModelTask(TINY, parameters, { training: TRAINING }, SETTINGS);
    expect(task.endEpoch()).toEqual({});
  });

  it('draws the same run from the same seed, and another from another', () => {
    const run = (seed: number) => {
      const { task, parameters } = createTask({ seed, dropMult: 1 });
      return { losses: train(task, 5), parameters: copy(parameters) };
    };
    expect(run(1)).toEqual(run(1));
    expect(run(2).losses).not.toEqual(run(1).losses);
  });

  it('draws its dropout from the seed and the step', () => {
    const [window] = createTask().task.items(0, 0);
    if (window === undefined) throw new Error('no window');
    const first = (seed: number, step: number) => {
      const { task } = createTask({ seed, dropMult: 1 });
      return numbers(task.step(window, { step, epoch: 0, stepInEpoch: 0 }).loss)[0];
    };
    expect(first(1, 0)).toBe(first(1, 0));
    expect(first(2, 0)).not.toBe(first(1, 0));
    expect(first(1, 1)).not.toBe(first(1, 0));
  });

  it('leaves the layer groups without a rate bit by bit as they are', () => {
    const { task, parameters } = createTask({ epochs: [[0, 0, 0.01, 0.02]], weightDecay: 0.1 });
    const before = copy(parameters);
    train(task, 3);
    const changed = [...copy(parameters)].filter(([name, values]) => values.join() !== before.get(name)?.join()).map(([name]) => name);
    expect(changed.toSorted()).toEqual(
      ['decoder.bias', 'embedding.weight', 'lstm.2.bias', 'lstm.2.inputWeights', 'lstm.2.recurrentWeights'].toSorted(),
    );
  });

  it("scales the rate by the window's length over bptt", () => {
    // Adam's first step moves a number by the rate, whatever its gradient.
    const { task, parameters } = createTask({ epochs: [[0.01, 0.01, 0.01, 0.01]], dropMult: 0 });
    const [window] = task.items(0, 0);
    expect(window?.time).not.toBe(SETTINGS.bptt);
    const before = copy(parameters);
    train(task, 1);
    const moved = numbers(parameters.get('decoder.bias')).map((value, index) =>
      Math.abs(value - (before.get('decoder.bias')?.[index] ?? 0)),
    );
    for (const distance of moved) expect(distance).toBeCloseTo((0.01 * (window?.time ?? 0)) / SETTINGS.bptt, 5);
  });

  it('stops after as many steps as it may take, in the epoch where that falls', () => {
    const epochs = new Array<number[]>(3).fill([1, 1, 1, 1]);
    const whole = createTask({ epochs }).task.stepsPerEpoch;
    expect(whole.length).toBe(3);
    const [first = 0, second = 0] = whole;
    expect(createTask({ epochs, maxSteps: first + 2 }).task.stepsPerEpoch).toEqual([first, 2, 0]);
    expect(createTask({ epochs, maxSteps: first + second }).task.stepsPerEpoch).toEqual([first, second, 0]);
  });

  it('holds the same number of tensors after every step, and gives all back', () => {
    const before = tf.memory().numTensors;
    const { task, parameters } = createTask({ dropMult: 1 });
    train(task, 2);
    task.endEpoch();
    const held = tf.memory().numTensors;
    for (let round = 0; round < 3; round++) {
      train(task, 8);
      task.endEpoch();
      expect(tf.memory().numTensors).toBe(held);
    }
    task.dispose();
    expect(tf.memory().numTensors).toBe(before + parameters.size);
  });
});

describe('languageModelEntropy', () => {
  const parameters = tinyLanguageModel();
  const documents = [40, 3, 25].map((length) => randomDocument(length, 'held out'));

  /** The mean cross-entropy of one sequence, read in one piece. */
  function plainEntropy(ids: readonly number[]): number {
    const table = parameters.get('embedding.weight') as Tensor;
    const { raw } = awdLstm(parameters, tf.tensor2d(ids.slice(0, -1), [ids.length - 1, 1], 'int32'), zeroState(TINY, 1));
    const logits = tf.add(tf.matMul(tf.squeeze(raw, [1]) as never, table as never, false, true), parameters.get('decoder.bias') as Tensor);
    const losses = tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits), tf.oneHot(ids.slice(1), TINY.vocabulary)), 1));
    return numbers(tf.mean(losses))[0] ?? Number.NaN;
  }

  it.each([3, 7, 100])('is that of the documents one after the other, in windows of %i tokens', (bptt) => {
    const found = languageModelEntropy(TINY, parameters, tokenCorpus(documents), { batch: 1, bptt, backwards: false });
    expect(relativeDifference([found], [plainEntropy(documents.flatMap((ids) => [...ids]))])).toBeLessThan(1e-5);
  });

  it('reads each document from its end where the model does', () => {
    const found = languageModelEntropy(TINY, parameters, tokenCorpus(documents), { batch: 1, bptt: 7, backwards: true });
    expect(relativeDifference([found], [plainEntropy(documents.flatMap((ids) => Array.from(ids).toReversed()))])).toBeLessThan(1e-5);
  });

  it('reads a short text in fewer streams', () => {
    // 68 tokens in windows of 8: two streams are all that leaves each of them some context.
    const corpus = tokenCorpus(documents);
    const entropy = (batch: number) => languageModelEntropy(TINY, parameters, corpus, { batch, bptt: 8, backwards: false });
    expect(entropy(64)).toBe(entropy(2));
    expect(entropy(64)).not.toBe(entropy(1));
  });

  it('leaves nothing behind', () => {
    const before = tf.memory().numTensors;
    languageModelEntropy(TINY, parameters, tokenCorpus(documents), { batch: 2, bptt: 5, backwards: false });
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('nt-asgd (Merity et al. 2017, algorithm 1)', () => {
  it('begins to average once the held-out loss is above what it was more than five epochs before, and measures the averages', () => {
    // A rate so high that the loss goes up and down.
    const { task, parameters } = createTask({ optimizer: 'nt-asgd', epochs: new Array<number[]>(12).fill([15, 15, 15, 15]) });
    const losses: number[] = [];
    let begun = 0;
    for (let epoch = 0; epoch < 12; epoch++) {
      train(task, 6, epoch);
      losses.push(task.endEpoch()['validationLoss'] ?? Number.NaN);
      const expected = losses.length > 6 && (losses.at(-1) ?? 0) > Math.min(...losses.slice(0, -6));
      if (begun === 0 && expected) begun = losses.length;
      expect(task.optimizer.averages !== undefined, `after epoch ${losses.length} of ${losses.join(', ')}`).toBe(begun > 0);
    }
    expect(begun).toBeGreaterThan(0);
    expect(begun).toBeLessThan(12);
    expect(task.optimizer.averages?.get('decoder.bias')?.count).toBe((12 - begun) * 6);
    const entropy = (weights: ReadonlyMap<string, Tensor>): number => languageModelEntropy(TINY, weights, VALIDATION, SETTINGS);
    expect(losses.at(-1)).toBe(entropy(task.learnt()));
    expect(entropy(task.learnt())).toBeLessThan(entropy(parameters));
    task.dispose();
  });
});

it("the fastai recipe moves Adam's beta1 with the one-cycle rate", () => {
  const course = (recipe: 'paper' | 'fastai', schedule: 'one-cycle' | 'constant') => train(createTask({ recipe, schedule }).task, 8);
  expect(course('fastai', 'one-cycle')).not.toEqual(course('paper', 'one-cycle'));
  expect(course('fastai', 'constant')).not.toEqual(course('paper', 'constant'));
  expect(course('fastai', 'one-cycle')).toEqual(course('fastai', 'one-cycle'));
});
