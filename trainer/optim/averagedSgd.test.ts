import { describe, expect, it } from 'vitest';
import { tf, type Scalar, type Tensor } from '../engine/operations.ts';
import { numbers } from '../testSupport.ts';
import { isNonMonotone } from './averagedSgd.ts';
import { Optimizer } from './optimizer.ts';

describe('isNonMonotone', () => {
  it('is true where the newest loss is above the least of those more than n validations old', () => {
    expect(isNonMonotone([5, 4, 3, 2, 1], 2)).toBe(false);
    expect(isNonMonotone([5, 4, 3, 3.5, 3.6, 3.1], 2)).toBe(true);
    expect(isNonMonotone([5, 4, 3, 3.5, 3.6, 2.9], 2)).toBe(false);
  });

  it('waits for n validations and one more, however bad they are', () => {
    expect(isNonMonotone([1, 2, 3], 2)).toBe(false);
    expect(isNonMonotone([1, 2, 3, 4], 2)).toBe(true);
    expect(isNonMonotone([1, 9, 9, 9, 9, 9])).toBe(false);
    expect(isNonMonotone([1, 9, 9, 9, 9, 9, 9])).toBe(true);
    expect(isNonMonotone([])).toBe(false);
  });
});

describe('the nt-asgd rule', () => {
  const RATE = 0.5;
  /** The gradient of ½·(x − 1)² is x − 1. */
  const step = (optimizer: Optimizer): void =>
    optimizer.step(
      new Map([['x', RATE]]),
      () => tf.sum(tf.mul(0.5, tf.square(tf.sub(optimizer.parameters.get('x') as Tensor, 1)))) as Scalar,
    );
  const create = (options = {}): Optimizer =>
    new Optimizer(new Map([['x', tf.tensor1d([3, -1])]]), { rule: 'nt-asgd', weightDecay: 0, ...options });
  const parameter = (optimizer: Optimizer): number[] => numbers(optimizer.parameters.get('x'));

  it('goes down the gradient, with weight decay and clipping', () => {
    const plain = create();
    step(plain);
    expect(parameter(plain)).toEqual([2, 0]);
    const decayed = create({ weightDecay: 0.1 });
    step(decayed);
    expect(parameter(decayed)).toEqual([3 * 0.95 - 1, -1 * 0.95 + 1].map((x) => expect.closeTo(x, 6)));
    const clipped = create({ clip: Math.SQRT2 });
    step(clipped); // The gradient [2, −2] is halved.
    expect(parameter(clipped)).toEqual([2.5, -0.5].map((x) => expect.closeTo(x, 5)));
  });

  it('has learnt the values themselves until averaging begins, and their mean from then on', () => {
    const optimizer = create();
    step(optimizer);
    expect(numbers(optimizer.learnt().get('x'))).toEqual([2, 0]);
    optimizer.beginAveraging();
    expect(numbers(optimizer.learnt().get('x'))).toEqual([2, 0]);
    const values: number[][] = [];
    for (let count = 0; count < 4; count++) {
      step(optimizer);
      values.push(parameter(optimizer));
    }
    // PyTorch's ASGD with t0 = 0 lets the first value go.
    const averaged = values.slice(1);
    const mean = [0, 1].map((place) => averaged.reduce((sum, value) => sum + (value[place] ?? 0), 0) / averaged.length);
    expect(numbers(optimizer.learnt().get('x'))).toEqual(mean.map((x) => expect.closeTo(x, 6)));
    expect(parameter(optimizer)).toEqual([1.0625, 0.9375].map((x) => expect.closeTo(x, 6)));
  });

  it('leaves frozen tensors and their means alone, and gives every tensor back', () => {
    const before = tf.memory().numTensors;
    const optimizer = new Optimizer(new Map(['x', 'frozen'].map((name) => [name, tf.tensor1d([3, -1])])), {
      rule: 'nt-asgd',
      weightDecay: 0.1,
    });
    optimizer.beginAveraging();
    for (const rates of [
      { x: RATE, frozen: RATE },
      { x: RATE, frozen: 0 },
    ]) {
      const sum = (): Tensor => tf.add(optimizer.parameters.get('x') as Tensor, optimizer.parameters.get('frozen') as Tensor);
      optimizer.step(new Map(Object.entries(rates)), () => tf.sum(sum()) as Scalar);
    }
    expect(numbers(optimizer.parameters.get('frozen'))).toEqual([3 * 0.95 - RATE, -0.95 - RATE].map((x) => expect.closeTo(x, 6)));
    expect(optimizer.averages?.get('frozen')?.count).toBe(1);
    expect(optimizer.averages?.get('x')?.count).toBe(2);
    optimizer.dispose();
    tf.dispose([...optimizer.parameters.values()]);
    expect(tf.memory().numTensors).toBe(before);
  });
});
