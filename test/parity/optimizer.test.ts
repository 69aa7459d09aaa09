import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { tf, type Scalar, type Tensor } from '../../trainer/engine/operations.ts';
import { type AdamMoments, adamUpdate, initialMoments, plainUpdate } from '../../trainer/optim/adam.ts';
import { isNonMonotone } from '../../trainer/optim/averagedSgd.ts';
import { clipFactor } from '../../trainer/optim/clip.ts';
import { Optimizer } from '../../trainer/optim/optimizer.ts';
import { cosine, cycledMomentum, oneCycle, slantedTriangular } from '../../trainer/optim/schedules.ts';
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

const UPDATES = { adamUpdate, plainUpdate };

describe.each(['adamUpdate', 'plainUpdate'] as const)('%s, against PyTorch’s AdamW and fastai’s Adam', (rule) => {
  it.each(['held', 'moving'] as const)('takes the same ten steps with rate and beta 1 %s', (run) => {
    for (const name of NAMES) {
      let parameter = tensor(`start.${name}`);
      let moments: AdamMoments = initialMoments(parameter);
      for (const [step, { rate, beta1 }] of facts.settings[run].entries()) {
        const options = { beta1, beta2: facts.beta2, epsilon: facts.epsilon, weightDecay: facts.weightDecay };
        const ownRate = rate * (facts.rateFactors[name] ?? Number.NaN);
        ({ parameter, moments } = UPDATES[rule](parameter, tensor(`given.${step}.${name}`), moments, ownRate, options, tf.scalar(1)));
        const difference = relativeDifference(parameter.dataSync(), golden.floats(`${run}.${step}.${name}`));
        expect(difference, `${name} after step ${step}`).toBeLessThan(TOLERANCE);
      }
      expect(moments.updates).toBe(facts.steps);
      expect(relativeDifference(moments.first.dataSync(), golden.floats(`${run}.first.${name}`))).toBeLessThan(TOLERANCE);
      expect(relativeDifference(moments.second.dataSync(), golden.floats(`${run}.second.${name}`))).toBeLessThan(TOLERANCE);
    }
  });
});

/** A scalar whose gradients are the given ones: the sum of each tensor times its constant. */
function lossWithGradients(optimizer: Optimizer, gradients: ReadonlyMap<string, Tensor>): Scalar {
  const products = [...gradients].map(([name, gradient]) => tf.sum(tf.mul(optimizer.parameters.get(name) as Tensor, gradient)));
  return tf.addN(products) as Scalar;
}

describe('Optimizer', () => {
  it('takes the ten steps of fastai’s one cycle, with a beta 1 of its own in each', () => {
    const { beta2, epsilon, weightDecay } = facts;
    const parameters = new Map(NAMES.map((name) => [name, tensor(`start.${name}`)]));
    const optimizer = new Optimizer(parameters, { beta2, epsilon, weightDecay, clip: 0 });
    for (const [step, { rate, beta1 }] of facts.settings.moving.entries()) {
      const rates = new Map(NAMES.map((name) => [name, rate * (facts.rateFactors[name] ?? Number.NaN)]));
      const gradients = new Map(NAMES.map((name) => [name, tensor(`given.${step}.${name}`)]));
      optimizer.step(rates, () => lossWithGradients(optimizer, gradients), beta1);
      for (const name of NAMES) {
        const difference = relativeDifference(optimizer.parameters.get(name)?.dataSync() ?? [], golden.floats(`moving.${step}.${name}`));
        expect(difference, `${name} after step ${step}`).toBeLessThan(TOLERANCE);
      }
    }
  });

  it('descends and averages as PyTorch’s SGD and ASGD do', async () => {
    const descent = await readGolden('averaged-sgd');
    const of = (name: string): Tensor => tf.tensor(descent.floats(name), [...descent.shape(name)]);
    const { rate, weightDecay, plainSteps, averagedSteps } = descent.facts as Record<
      'rate' | 'weightDecay' | 'plainSteps' | 'averagedSteps',
      number
    >;
    const parameters = new Map(NAMES.map((name) => [name, of(`start.${name}`)]));
    const optimizer = new Optimizer(parameters, { rule: 'nt-asgd', weightDecay, clip: 0 });
    for (let step = 0; step < plainSteps + averagedSteps; step++) {
      if (step === plainSteps) optimizer.beginAveraging();
      const gradients = new Map(NAMES.map((name) => [name, of(`given.${step}.${name}`)]));
      optimizer.step(new Map(NAMES.map((name) => [name, rate])), () => lossWithGradients(optimizer, gradients));
      const learnt = optimizer.learnt();
      for (const name of NAMES) {
        const where = `${name} after step ${step}`;
        const after = descent.floats(`after.${step}.${name}`);
        expect(relativeDifference(optimizer.parameters.get(name)?.dataSync() ?? [], after), where).toBeLessThan(TOLERANCE);
        const average = step < plainSteps ? after : descent.floats(`average.${step}.${name}`);
        expect(relativeDifference(learnt.get(name)?.dataSync() ?? [], average), `mean of ${where}`).toBeLessThan(TOLERANCE);
      }
    }
    optimizer.dispose();
  });

  it('begins to average where the AWD-LSTM repository does', async () => {
    const { trigger } = (await readGolden('averaged-sgd')).facts as {
      trigger: { losses: number[]; interval: number; averagesFrom: number };
    };
    const from = trigger.losses.findIndex((_, validation) => isNonMonotone(trigger.losses.slice(0, validation + 1), trigger.interval));
    expect(from).toBe(trigger.averagesFrom);
    // Neither at the first chance nor never, or the test would say little.
    expect(from).toBeGreaterThan(trigger.interval + 1);
    expect(from).toBeLessThan(trigger.losses.length - 1);
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

interface Curve {
  readonly steps: number;
  readonly peakRate: number;
  readonly rates: readonly number[];
}

describe('schedules', () => {
  const path = new URL('./golden/schedules.json', import.meta.url);
  const golden = JSON.parse(readFileSync(path, 'utf8')) as Record<'slantedTriangular' | 'cosine', Curve> & {
    readonly oneCycle: Curve & { readonly momentaByStep: readonly number[] };
  };
  const { slantedTriangular: slanted, oneCycle: cycle, cosine: half } = golden;

  it.each([
    { curve: 'slanted triangular rates', source: 'equation 3 of the paper', schedule: slantedTriangular(), wanted: slanted },
    { curve: 'one cycle of rates', source: 'fastai’s fit_one_cycle', schedule: oneCycle(), wanted: cycle },
    { curve: 'cosine', source: 'fastai’s SchedCos and PyTorch’s CosineAnnealingLR', schedule: cosine(), wanted: half },
    {
      curve: 'one cycle of momenta',
      source: 'fastai’s fit_one_cycle',
      schedule: cycledMomentum(),
      wanted: { ...cycle, peakRate: 1, rates: cycle.momentaByStep },
    },
  ])('$curve: $source', ({ schedule, wanted: { steps, peakRate, rates } }) => {
    expect(rates).toHaveLength(steps);
    for (const [step, rate] of rates.entries())
      expect(Math.abs(peakRate * schedule(step, steps) - rate), `step ${step}`).toBeLessThan(1e-14);
  });

  it('has momenta from .8 to .7 and back', () => {
    expect(cycle.momentaByStep[0]).toBe(0.8);
    expect(cycle.momentaByStep[25]).toBeCloseTo(0.7, 12);
    expect(cycle.momentaByStep.at(-1)).toBeCloseTo(0.8, 3);
  });
});
