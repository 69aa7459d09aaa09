import { describe, expect, it, test } from 'vitest';
import { relativeDifference } from '../../test/parity/closeness.ts';
import { numbers, randomTensor, SKIPPED_OPS, valueAndGradients } from '../testSupport.ts';
import { currentDevice } from './device.ts';
import { lstm, type Lstm, type LstmState, type LstmWeights } from './lstm.ts';
import { fusedLstm } from './lstmFused.ts';
import { plainLstm } from './lstmPlain.ts';
import { lstmReference } from './lstmReference.ts';
import { hasFusedOps, tf, type Tensor } from './operations.ts';

/** Of every tensor, relative to its largest element. */
const TOLERANCE = 1e-5;

interface Shape {
  readonly time: number;
  readonly batch: number;
  readonly input: number;
  readonly hidden: number;
}

interface Case {
  readonly x: Tensor;
  readonly weights: LstmWeights;
  readonly state: LstmState;
  /** Weighs every output differently in the loss, so that no two gradients are the same by accident. */
  readonly upstream: Tensor;
}

function randomCase({ time, batch, input, hidden }: Shape): Case {
  return {
    x: randomTensor([time, batch, input], 'x'),
    weights: {
      input: randomTensor([input, 4 * hidden], 'input weights'),
      recurrent: randomTensor([hidden, 4 * hidden], 'recurrent weights'),
      bias: randomTensor([4 * hidden], 'bias'),
    },
    state: { hidden: randomTensor([batch, hidden], 'hidden'), cell: randomTensor([batch, hidden], 'cell', 2) },
    upstream: randomTensor([time, batch, hidden], 'upstream'),
  };
}

const inputsOf = ({ x, weights }: Case): Tensor[] => [x, weights.input, weights.recurrent, weights.bias];

const gradients = (layer: Lstm, given: Case) =>
  valueAndGradients(() => tf.sum(tf.mul(layer(given.x, given.weights, given.state).outputs, given.upstream)), inputsOf(given)).gradients;

const IMPLEMENTATIONS = [
  { name: 'lstm', layer: lstm, missing: false },
  { name: 'plainLstm', layer: plainLstm, missing: false },
  { name: 'fusedLstm', layer: fusedLstm, missing: !hasFusedOps },
];

/** Around the widths of vectors (4, 8, 16), of tiles (four vectors), and of blocks of rows (6 or 14), and several of them. */
const WIDTHS = [1, 15, 16, 17, 33, 70];
const BATCHES = [1, 6, 7, 14, 15, 31];

for (const { name, layer, missing } of IMPLEMENTATIONS) {
  describe.skipIf(missing)(`${name}${missing ? SKIPPED_OPS : ''}`, () => {
    it.each<Shape>([
      { time: 1, batch: 1, input: 3, hidden: 4 },
      { time: 1, batch: 5, input: 4, hidden: 3 },
      { time: 6, batch: 1, input: 2, hidden: 5 },
      { time: 9, batch: 4, input: 7, hidden: 6 },
      { time: 70, batch: 3, input: 8, hidden: 8 },
      ...WIDTHS.flatMap((hidden) => BATCHES.map((batch) => ({ time: 3, batch, input: 2, hidden }))),
    ])('has the outputs, state and gradients of the plain equations: $time steps, batch $batch, $hidden units', (shape) => {
      const given = randomCase(shape);
      const found = layer(given.x, given.weights, given.state);
      const plain = lstmReference(given.x, given.weights, given.state);
      expect(found.outputs.shape).toEqual([shape.time, shape.batch, shape.hidden]);
      expect(relativeDifference(numbers(found.outputs), numbers(plain.outputs))).toBeLessThan(TOLERANCE);
      for (const part of ['hidden', 'cell'] as const) {
        expect(found.state[part].shape).toEqual([shape.batch, shape.hidden]);
        expect(relativeDifference(numbers(found.state[part]), numbers(plain.state[part])), part).toBeLessThan(TOLERANCE);
      }

      const expected = gradients(lstmReference, given);
      for (const [index, gradient] of gradients(layer, given).entries()) {
        expect(relativeDifference(gradient, expected[index] ?? []), `gradient ${index}`).toBeLessThan(TOLERANCE);
      }
    });

    it('gives no gradient to the state it starts from: the graph is cut between chunks', () => {
      const given = randomCase({ time: 4, batch: 2, input: 3, hidden: 5 });
      const next = randomTensor([4, 2, 3], 'the next chunk');
      const overTwoChunks = (one: Lstm) =>
        valueAndGradients(() => {
          const first = one(given.x, given.weights, given.state);
          return tf.sum(tf.mul(one(next, given.weights, first.state).outputs, given.upstream));
        }, inputsOf(given).slice(1)).gradients;
      const { state } = layer(given.x, given.weights, given.state);
      const secondAlone = gradients(layer, { ...given, x: next, state }).slice(1);

      for (const [index, gradient] of overTwoChunks(layer).entries()) expect([...gradient]).toEqual([...(secondAlone[index] ?? [])]);
      // Without the cut they would be others, as those of the plain equations are.
      expect(relativeDifference(overTwoChunks(lstmReference)[0] ?? [], secondAlone[0] ?? [])).toBeGreaterThan(0.01);
    });

    it('changes nothing that it is given, and answers alike each time', () => {
      const given = randomCase({ time: 5, batch: 9, input: 4, hidden: 19 });
      const all = [...inputsOf(given), given.state.hidden, given.state.cell, given.upstream];
      const before = all.map(numbers);
      const answer = () => {
        const { outputs, state } = layer(given.x, given.weights, given.state);
        return [numbers(outputs), numbers(state.hidden), numbers(state.cell), ...gradients(layer, given)];
      };
      const first = answer();
      expect(all.map(numbers)).toEqual(before);
      expect(answer()).toEqual(first);
    });

    it('leaves nothing behind but the state', () => {
      const given = randomCase({ time: 5, batch: 2, input: 3, hidden: 4 });
      const states: LstmState[] = [];
      const run = (): Tensor => {
        const { outputs, state } = layer(given.x, given.weights, given.state);
        states.push(state);
        return tf.sum(outputs);
      };
      const before = tf.memory().numTensors;
      tf.tidy(() => void run());
      valueAndGradients(run, inputsOf(given));
      expect(tf.memory().numTensors).toBe(before + 4);
      tf.dispose(states.flatMap(({ hidden, cell }) => [hidden, cell]));
      expect(tf.memory().numTensors).toBe(before);
    });
  });
}

test.skipIf(currentDevice().kind === 'gpu')('lstm takes our own operations where there are any', () => {
  const given = randomCase({ time: 5, batch: 3, input: 4, hidden: 19 });
  const [chosen, other] = hasFusedOps ? [fusedLstm, plainLstm] : [plainLstm, lstmReference];
  expect(gradients(lstm, given)).toEqual(gradients(chosen, given));
  // They do not agree in every bit, or this would say nothing.
  expect(gradients(lstm, given)).not.toEqual(gradients(other, given));
});

describe('lstmReference', () => {
  it('is the textbook equations, step by step', () => {
    const given = randomCase({ time: 2, batch: 1, input: 1, hidden: 1 });
    const [x1 = 0, x2 = 0] = numbers(given.x);
    const [wi = 0, wc = 0, wf = 0, wo = 0] = numbers(given.weights.input);
    const [ui = 0, uc = 0, uf = 0, uo = 0] = numbers(given.weights.recurrent);
    const [bi = 0, bc = 0, bf = 0, bo = 0] = numbers(given.weights.bias);
    const sigmoid = (value: number) => 1 / (1 + Math.exp(-value));
    let [hidden = 0] = numbers(given.state.hidden);
    let [cell = 0] = numbers(given.state.cell);
    const outputs = [x1, x2].map((x) => {
      const entering = sigmoid(x * wi + hidden * ui + bi);
      const candidate = Math.tanh(x * wc + hidden * uc + bc);
      const kept = sigmoid(x * wf + hidden * uf + bf);
      const leaving = sigmoid(x * wo + hidden * uo + bo);
      cell = kept * cell + entering * candidate;
      hidden = leaving * Math.tanh(cell);
      return hidden;
    });
    const found = lstmReference(given.x, given.weights, given.state);
    expect(relativeDifference(numbers(found.outputs), outputs)).toBeLessThan(TOLERANCE);
    expect(relativeDifference(numbers(found.state.cell), [cell])).toBeLessThan(TOLERANCE);
  });

  it('has the gradients that finite differences give', () => {
    const given = randomCase({ time: 3, batch: 2, input: 2, hidden: 2 });
    const step = 1e-2; // float32: smaller steps lose more to rounding than larger ones to curvature
    const loss = (inputs: readonly Tensor[]) =>
      tf.tidy(() => {
        const [x, input, recurrent, bias] = inputs as [Tensor, Tensor, Tensor, Tensor];
        const { outputs } = lstmReference(x, { input, recurrent, bias }, given.state);
        return tf.sum(tf.mul(outputs, given.upstream)).dataSync()[0] ?? Number.NaN;
      });
    const inputs = inputsOf(given);
    const found = gradients(lstmReference, given);
    for (const [index, input] of inputs.entries()) {
      const values = input.dataSync<'float32'>();
      const moved = (element: number, by: number) => {
        const copy = values.slice();
        copy[element] = (copy[element] ?? 0) + by;
        return loss(inputs.with(index, tf.tensor(copy, input.shape)));
      };
      const differences = [...values.keys()].map((element) => (moved(element, step) - moved(element, -step)) / (2 * step));
      expect(relativeDifference(found[index] ?? [], differences), `gradient ${index}`).toBeLessThan(1e-3);
    }
  });
});
