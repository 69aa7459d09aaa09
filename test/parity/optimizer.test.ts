import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { tf, type Tensor } from '../../trainer/engine/operations.ts';
import { type AdamMoments, adamUpdate, initialMoments } from '../../trainer/optim/adam.ts';
import { clipFactor } from '../../trainer/optim/clip.ts';
import { oneCycle, slantedTriangular } from '../../trainer/optim/schedules.ts';
import { relativeDifference } from './closeness.ts';
import { type Golden, readGolden } from './golden.ts';

/** Ten steps in float32 against float64. */
const TOLERANCE = 1e-6;
const NAMES = ['matrix', 'vector', 'single'] as const;

interface Facts {
  readonly steps: number;
  readonly settings: Readonly<Record<'held' | 'moving', readonly { readonly rate: number; readonly beta1: number }[]>>;
  readonly rateFactors: Readonly<Record<string, number>>;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly clipMaxima: Readonly<Record<string, number>>;
}

let golden: Golden;
let facts: Facts;
beforeAll(async () => {
  golden = await readGolden('optimizer');
  facts = golden.facts as unknown as Facts;
});

const tensor = (name: string): Tensor => tf.tensor(golden.floats(name), [...golden.shape(name)]);

describe('adamUpdate, against PyTorch’s AdamW', () => {
  it.each(['held', 'moving'] as const)('takes the same ten steps with rate and beta 1 %s', (run) => {
    for (const name of NAMES) {
      let parameter = tensor(`start.${name}`);
      let moments: AdamMoments = initialMoments(parameter);
      for (const [step, { rate, beta1 }] of facts.settings[run].entries()) {
        const options = { beta1, beta2: facts.beta2, epsilon: facts.epsilon, weightDecay: facts.weightDecay };
        const ownRate = rate * (facts.rateFactors[name] ?? Number.NaN);
        ({ parameter, moments } = adamUpdate(parameter, tensor(`given.${step}.${name}`), moments, ownRate, options, tf.scalar(1)));
        const difference = relativeDifference(parameter.dataSync(), golden.floats(`${run}.${step}.${name}`));
        expect(difference, `${name} after step ${step}`).toBeLessThan(TOLERANCE);
      }
      expect(moments.updates).toBe(facts.steps);
      expect(relativeDifference(moments.first.dataSync(), golden.floats(`${run}.first.${name}`))).toBeLessThan(TOLERANCE);
      expect(relativeDifference(moments.second.dataSync(), golden.floats(`${run}.second.${name}`))).toBeLessThan(TOLERANCE);
    }
  });
});

describe('clipFactor, against PyTorch’s clip_grad_norm_', () => {
  it.each(['below', 'above'])('gives the same gradients with a maximum %s or above their norm', (name) => {
    const gradients = NAMES.map((part) => tensor(`given.0.${part}`));
    const factor = clipFactor(gradients, facts.clipMaxima[name] ?? Number.NaN);
    for (const [index, part] of NAMES.entries()) {
      const clipped = tf.mul(gradients[index] ?? Number.NaN, factor).dataSync();
      expect(relativeDifference(clipped, golden.floats(`clip.${name}.${part}`))).toBeLessThan(TOLERANCE);
    }
  });
});

interface ScheduleGolden {
  readonly steps: number;
  readonly peakRate: number;
  readonly rates: readonly number[];
}

describe('schedules', () => {
  const path = new URL('./golden/schedules.json', import.meta.url);
  const curves = JSON.parse(readFileSync(path, 'utf8')) as Record<'slantedTriangular' | 'oneCycle', ScheduleGolden>;

  it.each([
    { name: 'slantedTriangular', schedule: slantedTriangular(), source: 'equation 3 of the paper' },
    { name: 'oneCycle', schedule: oneCycle(), source: 'fastai’s fit_one_cycle' },
  ] as const)('$name is the curve of $source', ({ name, schedule }) => {
    const { steps, peakRate, rates } = curves[name];
    expect(rates).toHaveLength(steps);
    for (const [step, rate] of rates.entries()) {
      expect(Math.abs(peakRate * schedule(step, steps) - rate), `step ${step}`).toBeLessThan(1e-14);
    }
  });
});
