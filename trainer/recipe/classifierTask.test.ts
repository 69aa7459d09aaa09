import { describe, expect, it } from 'vitest';
import { tf, type Tensor } from '../engine/operations.ts';
import { hostRandom } from '../engine/random.ts';
import { classifierLogits } from '../model/classifier.ts';
import { initializeHead, initializeLanguageModel } from '../model/initialize.ts';
import { oneHot } from '../model/objective.ts';
import { encoderShapes } from '../model/parameters.ts';
import type { Sizes } from '../model/presets.ts';
import { gradualUnfreezing } from '../optim/unfreezing.ts';
import { numbers, randomDocument, tinyClassifierParameters } from '../testSupport.ts';
import { classifierAnswers, ClassifierTask, type ClassifierSettings, type EncodedSet } from './classifierTask.ts';

const SIZES: Sizes = { vocabulary: 24, embedding: 8, hidden: 8, layers: 2 };
/** Embedding, two LSTM layers, head. */
const RATES = [0.02, 0.02, 0.02, 0.02];

const SETTINGS: ClassifierSettings = {
  batch: 8,
  bptt: 6,
  bpttWindow: 1440,
  epochs: [RATES],
  schedule: 'constant',
  dropMult: 0.1,
  weightDecay: 0,
  clip: 25,
  seed: 1,
};

/** Documents of 2 to 16 words, of which one or more tell the class: 9 or 10. */
function toySet(count: number, seed: number): EncodedSet {
  const random = hostRandom({ seed, step: 0 }, 'toy set');
  const classes = Array.from({ length: count }, (_, row) => row % 2);
  const documents = classes.map((wanted) => {
    const length = 2 + Math.floor(random() * 15);
    const telling = Math.floor(random() * length);
    return Int32Array.from({ length }, (_, place) => (place === telling || random() < 0.3 ? 9 + wanted : 11 + Math.floor(random() * 3)));
  });
  return { documents, targets: oneHot(classes, 2) };
}

function createTask(settings: Partial<ClassifierSettings> = {}, sizes: Sizes = SIZES) {
  const all = initializeLanguageModel(sizes, 5);
  const encoder = [...encoderShapes(sizes).keys()].map((name) => [name, all.get(name) as Tensor] as const);
  all.get('decoder.bias')?.dispose();
  const parameters = new Map([...encoder, ...initializeHead(sizes, 2, 5)]);
  const sets = { training: toySet(48, 1), validation: toySet(16, 2) };
  return { task: new ClassifierTask(sizes, parameters, sets, { ...SETTINGS, ...settings }), parameters };
}

/** Trains one epoch after the other. Returns the losses. */
function train(task: ClassifierTask, epochs: number): number[] {
  const losses: number[] = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (const [stepInEpoch, rows] of [...task.items(epoch, 0)].entries()) {
      const { loss } = task.step(rows, { step: losses.length, epoch, stepInEpoch });
      losses.push(numbers(loss)[0] ?? Number.NaN);
      loss.dispose();
    }
  }
  return losses;
}

const copy = (tensors: ReadonlyMap<string, Tensor>) => new Map([...tensors].map(([name, tensor]) => [name, numbers(tensor).join()]));

function changedSince(before: ReadonlyMap<string, string>, parameters: ReadonlyMap<string, Tensor>): string[] {
  return [...copy(parameters)].filter(([name, values]) => values !== before.get(name)).map(([name]) => name);
}

describe('ClassifierTask', () => {
  it('learns a toy task until it makes no mistake', () => {
    const settings = { epochs: new Array<number[]>(6).fill([0.05, 0.05, 0.05]), schedule: 'slanted-triangular' } as const;
    const { task } = createTask(settings, { ...SIZES, embedding: 16, layers: 1 });
    const losses = train(task, 6);
    expect(losses[0]).toBeGreaterThan(0.4);
    const { accuracy, validationLoss } = task.endEpoch();
    expect(accuracy).toBe(1);
    expect(validationLoss).toBeLessThan(0.3);
  });

  it('trains the head alone in the first epoch of gradual unfreezing, and one group more in each later one', () => {
    const epochs = gradualUnfreezing({ rates: RATES, epochs: 4 });
    const { task, parameters } = createTask({ epochs, weightDecay: 0.1 });
    const groupOf = (name: string) =>
      name.startsWith('head.')
        ? 'head'
        : name
            .split('.')
            .slice(0, name.startsWith('lstm.') ? 2 : 1)
            .join('.');
    const trained = epochs.map((_, epoch) => {
      const before = copy(parameters);
      const [rows = []] = task.items(epoch, 0);
      task.step(rows, { step: epoch, epoch, stepInEpoch: 0 }).loss.dispose();
      return changedSince(before, parameters);
    });
    expect(trained.map((names) => [...new Set(names.map(groupOf))])).toEqual([
      ['head'],
      ['lstm.1', 'head'],
      ['lstm.0', 'lstm.1', 'head'],
      ['embedding', 'lstm.0', 'lstm.1', 'head'],
    ]);
    // All of the head moves, batch norm's running statistics included.
    expect(trained[0]?.length).toBe(12);
  });

  it('takes every document once an epoch, in an order that changes', () => {
    const { task } = createTask({ epochs: [RATES, RATES] });
    const [first, second] = [0, 1].map((epoch) => [...task.items(epoch, 0)]);
    for (const batches of [first, second]) expect(batches?.flat().toSorted((a, b) => a - b)).toEqual([...Array(48).keys()]);
    expect(first).not.toEqual(second);
    expect(task.stepsPerEpoch).toEqual([6, 6]);
    expect([...task.items(0, 3)]).toEqual(first?.slice(3));
  });

  it('counts tokens and tells the rate of the head', () => {
    const { task } = createTask({ epochs: [[0.1, 0.2, 0.3, 0.4]] });
    const training = toySet(48, 1);
    const [rows = []] = task.items(0, 0);
    const { tokens, learningRate } = task.step(rows, { step: 0, epoch: 0, stepInEpoch: 0 });
    expect(tokens).toBe(rows.reduce((sum, row) => sum + (training.documents[row]?.length ?? 0), 0));
    expect(learningRate).toBe(0.4);
  });

  it('measures accuracy and mean loss of the held-out documents, and the same each time', () => {
    const { task, parameters } = createTask();
    train(task, 1);
    const { documents, targets } = toySet(16, 2);
    const classes = targets.map((target) => target.indexOf(1));
    const probabilities = classifierAnswers(SIZES, parameters, documents, SETTINGS);
    const right = classes.filter((wanted, row) => (probabilities[row]?.[wanted] ?? 0) > 0.5).length;
    const loss = classes.reduce((sum, wanted, row) => sum - Math.log(probabilities[row]?.[wanted] ?? 0), 0);
    const measured = task.endEpoch();
    expect(measured['accuracy']).toBe(right / 16);
    expect(measured['validationLoss']).toBeCloseTo(loss / 16, 6);
    expect(task.endEpoch()).toEqual(measured);
  });

  it('measures nothing where nothing is held out', () => {
    const parameters = tinyClassifierParameters(SIZES, 2);
    expect(new ClassifierTask(SIZES, parameters, { training: toySet(8, 1) }, SETTINGS).endEpoch()).toEqual({});
  });

  it('drops more with a larger dropMult, and the same for the same step', () => {
    const first = (dropMult: number, step = 0) => {
      const { task } = createTask({ dropMult });
      const [rows = []] = task.items(0, 0);
      return numbers(task.step(rows, { step, epoch: 0, stepInEpoch: 0 }).loss)[0];
    };
    expect(first(1)).toBe(first(1));
    expect(first(1)).not.toBe(first(0.5));
    expect(first(1)).not.toBe(first(1, 1));
  });

  it('holds the same number of tensors after every epoch, and gives all back', () => {
    const before = tf.memory().numTensors;
    // A window shorter than the documents, so that their beginnings are read without a gradient.
    const { task, parameters } = createTask({ bpttWindow: 6, epochs: new Array<number[]>(4).fill(RATES) });
    train(task, 1);
    task.endEpoch();
    const held = tf.memory().numTensors;
    for (let epoch = 1; epoch < 4; epoch++) {
      train(task, epoch);
      task.endEpoch();
      expect(tf.memory().numTensors).toBe(held);
    }
    task.dispose();
    expect(tf.memory().numTensors).toBe(before + parameters.size);
    tf.dispose([...parameters.values()]);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('classifierAnswers', () => {
  it('answers more documents than fit into a batch in the order given', () => {
    const parameters = tinyClassifierParameters(SIZES, 3);
    const documents = Array.from({ length: 75 }, (_, row) => randomDocument(1 + ((row * 13) % 30), `document ${row}`, SIZES.vocabulary));
    const before = tf.memory().numTensors;
    const found = classifierAnswers(SIZES, parameters, documents, { bptt: 6 });
    expect(tf.memory().numTensors).toBe(before);
    const expected = numbers(tf.softmax(classifierLogits(SIZES, parameters, documents, { chunkLength: 6 })));
    for (const [row, probabilities] of found.entries()) {
      expect(probabilities.reduce((sum, probability) => sum + probability, 0)).toBeCloseTo(1, 5);
      for (const [label, probability] of probabilities.entries()) {
        expect(Math.abs(probability - (expected[row * 3 + label] ?? Number.NaN))).toBeLessThan(1e-5);
      }
    }
    expect(found).toHaveLength(75);
  });
});
