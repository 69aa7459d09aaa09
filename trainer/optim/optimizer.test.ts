import { describe, expect, it } from 'vitest';
import { relativeDifference } from '../../test/parity/closeness.ts';
import { tf, type Scalar, type Tensor } from '../engine/operations.ts';
import { numbers } from '../testSupport.ts';
import { Optimizer, type OptimizerOptions } from './optimizer.ts';

/** Adam of Kingma & Ba 2015 (algorithm 1) with Loshchilov & Hutter's decay, on one number in double precision. */
class PlainAdam {
  value: number;
  #first = 0;
  #second = 0;
  #updates = 0;

  constructor(value: number) {
    this.value = value;
  }

  update(gradient: number, rate: number, decay = 0): void {
    this.#updates++;
    this.#first = 0.7 * this.#first + 0.3 * gradient;
    this.#second = 0.99 * this.#second + 0.01 * gradient ** 2;
    const mean = this.#first / (1 - 0.7 ** this.#updates);
    const square = this.#second / (1 - 0.99 ** this.#updates);
    this.value -= rate * decay * this.value + (rate * mean) / (Math.sqrt(square) + 1e-8);
  }
}

/** Three numbers and a loss whose gradients in them are 1, 2 and 2, over and over. */
function weighedSum(options: Partial<OptimizerOptions> = {}) {
  const optimizer = new Optimizer(
    new Map<string, Tensor>([
      ['a', tf.scalar(1)],
      ['b', tf.scalar(2)],
      ['c', tf.scalar(3)],
    ]),
    { weightDecay: 0, ...options },
  );
  const own = (name: string): Tensor => optimizer.parameters.get(name) as Tensor;
  const loss = (): Scalar => tf.addN([own('a'), tf.mul(2, own('b')), tf.mul(2, own('c'))]) as Scalar;
  return { optimizer, loss, value: (name: string) => numbers(own(name))[0] ?? Number.NaN };
}

describe('Optimizer', () => {
  it('takes the steps of Adam with decoupled weight decay, each tensor at its own rate', () => {
    const { optimizer, loss, value } = weighedSum({ weightDecay: 0.1 });
    const plain = { a: new PlainAdam(1), b: new PlainAdam(2) };
    for (let step = 0; step < 5; step++) {
      optimizer.step(
        new Map([
          ['a', 0.1],
          ['b', 0.01],
        ]),
        loss,
      );
      plain.a.update(1, 0.1, 0.1);
      plain.b.update(2, 0.01, 0.1);
      expect(relativeDifference([value('a'), value('b')], [plain.a.value, plain.b.value])).toBeLessThan(1e-6);
    }
  });

  it('leaves a tensor without a rate, or with the rate 0, bit by bit as it is, decay included', () => {
    const { optimizer, loss, value } = weighedSum({ weightDecay: 0.1 });
    const frozen = [optimizer.parameters.get('b'), optimizer.parameters.get('c')];
    optimizer.step(
      new Map([
        ['a', 0.1],
        ['b', 0],
      ]),
      loss,
    );
    expect([value('b'), value('c')]).toEqual([2, 3]);
    expect([optimizer.parameters.get('b'), optimizer.parameters.get('c')]).toEqual(frozen);
    expect([...optimizer.moments.keys()]).toEqual(['a']);
  });

  it('counts the updates of each tensor apart, so that one that thaws late is corrected from its own first update', () => {
    const { optimizer, loss, value } = weighedSum();
    const late = new PlainAdam(2);
    for (let step = 0; step < 4; step++) optimizer.step(new Map([['a', 0.1]]), loss);
    for (let step = 0; step < 2; step++) {
      optimizer.step(
        new Map([
          ['a', 0.1],
          ['b', 0.1],
        ]),
        loss,
      );
      late.update(2, 0.1);
    }
    expect(optimizer.moments.get('a')?.updates).toBe(6);
    expect(optimizer.moments.get('b')?.updates).toBe(2);
    expect(value('b')).toBeCloseTo(late.value, 6);
    expect(value('b')).toBeCloseTo(1.8, 5); // An equal gradient each time is a step of the rate each time.
  });

  it('clips all gradients by their joint norm', () => {
    // Adam is blind to one factor on all gradients, so what the clipping did is read off the moments.
    const { optimizer, loss } = weighedSum({ clip: 0.3 });
    const rates = new Map([
      ['a', 0.1],
      ['b', 0.1],
      ['c', 0.1],
    ]);
    optimizer.step(rates, loss);
    const first = (name: string) => numbers(optimizer.moments.get(name)?.first)[0] ?? Number.NaN;
    // The norm is √(1 + 4 + 4) = 3, so the gradients become a tenth; Adam's mean takes three tenths of them.
    expect(first('a')).toBeCloseTo(0.3 * 0.1, 6);
    expect(first('b')).toBeCloseTo(0.3 * 0.2, 6);
    expect(first('c')).toBeCloseTo(0.3 * 0.2, 6);
  });

  it('counts only what is trained in the norm that it clips', () => {
    const { optimizer, loss } = weighedSum({ clip: 0.5 });
    optimizer.step(new Map([['a', 0.1]]), loss);
    expect(numbers(optimizer.moments.get('a')?.first)[0]).toBeCloseTo(0.3 * 0.5, 6);
  });

  it('clips nothing with clip 0', () => {
    const { optimizer, loss } = weighedSum({ clip: 0 });
    optimizer.step(new Map([['b', 0.1]]), loss);
    expect(numbers(optimizer.moments.get('b')?.first)[0]).toBeCloseTo(0.3 * 2, 6);
  });

  it('holds the same number of tensors after every step, and none of its own after dispose', () => {
    const before = tf.memory().numTensors;
    const { optimizer, loss } = weighedSum({ clip: 1 });
    const rates = new Map([
      ['a', 0.1],
      ['b', 0.1],
    ]);
    const counts = Array.from({ length: 4 }, () => {
      tf.tidy(() => optimizer.step(rates, loss));
      return tf.memory().numTensors - before;
    });
    expect(counts).toEqual(new Array(4).fill(3 + 4));
    optimizer.dispose();
    tf.dispose([...optimizer.parameters.values()]);
    expect(tf.memory().numTensors).toBe(before);
  });
});
