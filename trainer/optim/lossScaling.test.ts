/** Loss scaling in the optimizer's steps. */
import { describe, expect, test, vi } from 'vitest';
import { relativeDifference } from '../../test/parity/closeness.ts';
import { LOSS_SCALE } from '../engine/lossScale.ts';
import { tf, type Scalar, type Tensor } from '../engine/operations.ts';
import { withPrecision } from '../engine/precision.ts';
import { numbers, randomTensor } from '../testSupport.ts';
import { Optimizer } from './optimizer.ts';

const RATES = new Map([
  ['weights', 0.1],
  ['bias', 0.05],
]);

function made(precision: 'fp32' | 'fp16', clip: number): Optimizer {
  const parameters = new Map<string, Tensor>([
    ['weights', randomTensor([3, 4], 'weights')],
    ['bias', randomTensor([4], 'bias')],
  ]);
  return withPrecision(precision, () => new Optimizer(parameters, { clip }));
}

/** Without products, so that fp16 and fp32 have the same gradients; multiplied by `factor`. */
const lossOf =
  (optimizer: Optimizer, factor = 1) =>
  (): Scalar =>
    tf.mul(
      tf.sum(tf.square(tf.add(optimizer.parameters.get('weights') as Tensor, optimizer.parameters.get('bias') as Tensor))),
      factor,
    ) as Scalar;

/** The bits of parameters and moments. */
function held({ parameters, moments }: Optimizer): Record<string, number[]> {
  const tensors = [
    ...parameters,
    ...[...moments].flatMap(([name, { first, second }]) => [[`${name} first`, first] as const, [`${name} second`, second] as const]),
  ];
  return Object.fromEntries(
    tensors.map(([name, tensor]) => [name, [...new Uint32Array(Float32Array.from(tensor.dataSync<'float32'>()).buffer)]]),
  );
}

const scaleOf = ({ lossScale }: Optimizer): number[] => [...(lossScale?.tensors() ?? [])].flatMap(([, tensor]) => numbers(tensor));

test('there is a scale in fp16 alone', () => {
  expect(made('fp32', 0).lossScale).toBeUndefined();
  expect(withPrecision('bf16', () => new Optimizer(new Map())).lossScale).toBeUndefined();
  expect(scaleOf(made('fp16', 0))).toEqual([LOSS_SCALE.initial, 0]);
});

describe.each([0, 0.3, 1000])('clipped at %d', (clip) => {
  test('a scaled loss makes the same steps', () => {
    const [scaled, plain] = [made('fp16', clip), made('fp32', clip)];
    for (let step = 0; step < 5; step++) {
      scaled.step(RATES, lossOf(scaled));
      plain.step(RATES, lossOf(plain));
    }
    for (const [name, tensor] of plain.parameters) {
      expect(relativeDifference(numbers(scaled.parameters.get(name)), numbers(tensor)), name).toBeLessThan(1e-6);
      const [found, expected] = [scaled.moments.get(name), plain.moments.get(name)];
      expect(relativeDifference(numbers(found?.first), numbers(expected?.first)), name).toBeLessThan(1e-6);
      expect(relativeDifference(numbers(found?.second), numbers(expected?.second)), name).toBeLessThan(1e-6);
    }
    expect(scaleOf(scaled)).toEqual([LOSS_SCALE.initial, 5]);
  });

  test.each([
    ['a loss that is too large for its scale', 1e35],
    ['an infinite gradient', Number.POSITIVE_INFINITY],
    ['a gradient that is no number', Number.NaN],
  ])('%s changes nothing but the scale, at the first step and later', (_, factor) => {
    const optimizer = made('fp16', clip);
    const untouched = held(optimizer);
    optimizer.step(RATES, lossOf(optimizer, factor));
    const zeros = Object.values(held(optimizer)).slice(2).flat();
    expect(held(optimizer)).toMatchObject(untouched);
    expect(zeros).toHaveLength(2 * (12 + 4));
    expect(new Set(zeros)).toEqual(new Set([0]));
    expect(scaleOf(optimizer)).toEqual([LOSS_SCALE.initial / 2, 0]);

    for (let step = 0; step < 2; step++) optimizer.step(RATES, lossOf(optimizer));
    const before = held(optimizer);
    expect(before).not.toMatchObject(untouched);
    expect(scaleOf(optimizer)).toEqual([LOSS_SCALE.initial / 2, 2]);
    optimizer.step(RATES, lossOf(optimizer, factor));
    expect(held(optimizer)).toEqual(before);
    expect(scaleOf(optimizer)).toEqual([LOSS_SCALE.initial / 4, 0]);

    optimizer.step(RATES, lossOf(optimizer));
    expect(held(optimizer)).not.toEqual(before);
    expect(Object.values(held(optimizer)).flat().length).toBe(3 * (12 + 4));
    expect(numbers(optimizer.parameters.get('weights')).every(Number.isFinite)).toBe(true);
  });
});

test('an infinity in one tensor alone keeps all of them', () => {
  const optimizer = made('fp16', 0);
  const before = held(optimizer);
  const bias = () => optimizer.parameters.get('bias') as Tensor;
  optimizer.step(RATES, () =>
    tf.add(tf.sum(tf.square(optimizer.parameters.get('weights') as Tensor)), tf.mul(tf.sum(bias()), Number.POSITIVE_INFINITY)),
  );
  expect(held(optimizer)).toMatchObject(before);
});

test('a step reads nothing from the device and leaves nothing behind', () => {
  const start = tf.memory().numTensors;
  const optimizer = made('fp16', 0.3);
  optimizer.step(RATES, () => tf.tidy(lossOf(optimizer)));
  const before = tf.memory().numTensors;
  const reads = vi.spyOn(tf.backend(), 'readSync');
  tf.tidy(() => optimizer.step(RATES, lossOf(optimizer)));
  expect(reads).not.toHaveBeenCalled();
  reads.mockRestore();
  expect(tf.memory().numTensors).toBe(before);
  optimizer.step(RATES, lossOf(optimizer));
  expect(tf.memory().numTensors).toBe(before);
  optimizer.dispose();
  tf.dispose([...optimizer.parameters.values()]);
  expect(tf.memory().numTensors).toBe(start);
});
