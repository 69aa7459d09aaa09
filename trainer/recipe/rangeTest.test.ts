import { afterEach, describe, expect, it } from 'vitest';
import { tf } from '../engine/operations.ts';
import { classifierGroups, languageModelGroups } from '../model/parameters.ts';
import { randomDocument, repetitiveCorpus, TINY, tinyClassifierParameters, tinyLanguageModel } from '../testSupport.ts';
import { ClassifierTask } from './classifierTask.ts';
import { LanguageModelTask } from './languageModelTask.ts';
import {
  fallOf,
  minimumOf,
  rangeRates,
  runRangeTest,
  steepestOf,
  suggestRates,
  valleyOf,
  type RangePoint,
  type RangeTestCurve,
} from './rangeTest.ts';

describe('rates', () => {
  it("rise from the lowest to the highest by one factor: fastai's 1e-7 to 10", () => {
    const rates = rangeRates({ lowest: 1e-7, highest: 10, steps: 100 });
    expect(rates).toHaveLength(100);
    expect(rates[0]).toBeCloseTo(1e-7, 12);
    expect(rates[99]).toBeCloseTo(10, 9);
    const factors = rates.slice(1).map((rate, index) => rate / (rates[index] ?? Number.NaN));
    for (const factor of factors) expect(factor).toBeCloseTo(1e8 ** (1 / 99), 9);
  });
});

/** The rates that suggestions look at, of 100 from 1e-7 to 10. */
const RATES = rangeRates({ lowest: 1e-7, highest: 10, steps: 100 }).slice(10, 95);
/** A level, a fall around 1e-3, a rise from .5 on. */
const TYPICAL = RATES.map((rate) => {
  const power = Math.log10(rate);
  return 2.3 - 1.5 / (1 + Math.exp(-3 * (power + 3))) + 4 / (1 + Math.exp(-6 * (power + 0.2)));
});

// Expected: `valley`, `minimum` and `steep` of fastai 2.8.12 (callback/schedule.py) on the same numbers.
describe('readings of a curve are those of fastai', () => {
  const CURVES = {
    typical: { losses: TYPICAL, valley: 0.00014174741629268049, minimum: 0.004534878508128582, steep: 0.0009111627561154895 },
    parabola: {
      losses: RATES.map((rate) => (Math.log10(rate) + 2) ** 2 * 0.1 + 0.5),
      valley: 5.590810182512223e-5,
      minimum: 0.0010235310218990267,
      steep: 6.42807311728432e-7,
    },
    rippled: {
      losses: TYPICAL.map((loss, index) => loss + 0.02 * Math.sin(index * 1.7)),
      valley: 0.0015922827933410938,
      minimum: 0.006579332246575682,
      steep: 0.000756463327554629,
    },
  };

  it.each(Object.entries(CURVES))('%s', (_name, { losses, valley, minimum, steep }) => {
    expect(RATES[valleyOf(losses) ?? -1]).toBeCloseTo(valley, 10);
    expect((RATES[minimumOf(losses) ?? -1] ?? 0) / 10).toBeCloseTo(minimum, 10);
    expect(RATES[steepestOf(losses, RATES) ?? -1]).toBeCloseTo(steep, 10);
  });

  it('leave out the first tenth of the steps and the last five', () => {
    const inTheWay = (losses: readonly number[]): RangePoint[] =>
      rangeRates({ lowest: 1e-7, highest: 10, steps: 100 }).map((learningRate, step) => {
        const smoothedLoss = losses[step - 10] ?? -100 - step; // falls without end where nobody should look
        return { learningRate, loss: Number.NaN, smoothedLoss };
      });
    const { valley, minimum, steepest } = suggestRates(inTheWay(TYPICAL), 100);
    expect([valley, minimum, steepest]).toEqual(
      [CURVES.typical.valley, CURVES.typical.minimum, CURVES.typical.steep].map((rate) => expect.closeTo(rate, 10)),
    );
    expect(fallOf(inTheWay(TYPICAL), 100)).toBeCloseTo((Number(TYPICAL[0]) - Math.min(...TYPICAL)) / Number(TYPICAL[0]), 12);
  });

  it('there is no suggestion where the loss never falls, and none without points', () => {
    const rising = RATES.map((_, index) => 1 + index);
    expect([valleyOf(rising), minimumOf(rising), steepestOf(rising, RATES)]).toEqual([undefined, undefined, undefined]);
    const nothing = { valley: undefined, minimum: undefined, steepest: undefined };
    expect(suggestRates([], 100)).toEqual(nothing);
    expect(suggestRates([{ learningRate: 1, loss: 1, smoothedLoss: 1 }], 100)).toEqual(nothing);
    expect(fallOf([], 100)).toBe(0);
  });
});

describe('on a task', () => {
  const parameters: Map<string, { dispose(): void }>[] = [];
  afterEach(() => {
    for (const tensors of parameters.splice(0)) tf.dispose([...tensors.values()] as never);
  });

  const TEST = { lowest: 1e-6, highest: 1000, steps: 60 };
  const rates = rangeRates(TEST);
  const settings = { batch: 4, bptt: 8, schedule: 'constant', dropMult: 0, weightDecay: 0, clip: 0, seed: 1 } as const;
  const epochs = (groups: number): number[][] => rates.map((rate) => new Array<number>(groups).fill(rate));

  function languageModelTask(documents: number): LanguageModelTask {
    const model = tinyLanguageModel();
    parameters.push(model);
    const all = { ...settings, epochs: epochs(languageModelGroups(TINY).length), maxSteps: Number.POSITIVE_INFINITY, backwards: false };
    return new LanguageModelTask(TINY, model, { training: repetitiveCorpus(documents, 40) }, all);
  }

  /** Mean loss of the steps between two rates. */
  function meanLoss({ points }: RangeTestCurve, from: number, to: number): number {
    const losses = points.filter(({ learningRate }) => learningRate >= from && learningRate < to).map(({ loss }) => loss);
    return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  }

  it('a language model: the suggestion lies where the loss falls, and a text that is too short is read again', async () => {
    const task = languageModelTask(8);
    const curve = await runRangeTest(task, rates, { onPass: () => void task.endEpoch() });
    // Far too small a rate, and far too great a one.
    expect(meanLoss(curve, 1e-6, 1e-4)).toBeGreaterThan(2);
    const { valley = 0, minimum = 0, steepest = 0 } = suggestRates(curve.points, TEST.steps);
    for (const suggestion of [valley, minimum, steepest]) {
      expect(suggestion).toBeGreaterThan(1e-4);
      expect(suggestion).toBeLessThan(1);
    }
    expect(meanLoss(curve, valley, 10 * valley)).toBeLessThan(meanLoss(curve, valley / 10, valley));
    // 8 documents of 40 tokens in 4 streams: about 9 windows.
    expect(curve.points.length).toBeGreaterThan(20);
    task.dispose();
  });

  it('a classifier whose loss explodes: the test ends, nothing is thrown', async () => {
    const model = tinyClassifierParameters(TINY, 2);
    parameters.push(model);
    // Labels that nothing tells: whoever is sure is wrong, and great weights make sure.
    const documents = Array.from({ length: 16 }, (_, index) => randomDocument(6, `${index}`));
    const targets = documents.map((_, index) => Float32Array.from([index % 2, 1 - (index % 2)]));
    const task = new ClassifierTask(
      TINY,
      model,
      { training: { documents, targets } },
      { ...settings, bpttWindow: 100, epochs: epochs(classifierGroups(TINY).length) },
    );
    const curve = await runRangeTest(task, rates);
    expect(curve.end).toBe('diverged');
    const { length } = curve.points;
    expect(length).toBeGreaterThan(20);
    expect(length).toBeLessThan(TEST.steps);
    const smoothed = curve.points.map(({ smoothedLoss }) => smoothedLoss);
    expect(smoothed.slice(0, -1).every((value, index) => value <= 4 * Math.min(...smoothed.slice(0, index + 1)))).toBe(true);
    task.dispose();
  });

  it('a loss that is no number ends the test, and is no point', async () => {
    const losses = [2, 1.5, Number.NaN, 1];
    const task = {
      items: () => losses,
      step: (loss: number) => ({ loss: tf.scalar(loss), tokens: 1, learningRate: 0 }),
    };
    const { points, end } = await runRangeTest(task, [1, 2, 3, 4]);
    expect(end).toBe('diverged');
    expect(points.map(({ loss }) => loss)).toEqual([2, 1.5]);
    expect(points[1]?.smoothedLoss).toBeCloseTo((0.98 * 2 + 1.5) / 1.98, 6);
  });

  it('ends when it is told to', async () => {
    const stop = new AbortController();
    const task = languageModelTask(8);
    const curve = await runRangeTest(task, rates, { signal: stop.signal, onStep: ({ step }) => void (step === 3 && stop.abort()) });
    expect([curve.end, curve.points.length]).toEqual(['interrupted', 3]);
    task.dispose();
  });
});
