import { describe, expect, it } from 'vitest';
import { relativeDifference } from '../../test/parity/closeness.ts';
import { numbers, randomTensor, SKIPPED_OPS, valueAndGradients } from '../testSupport.ts';
import type { LstmState, LstmWeights } from './lstm.ts';
import { packedLstm } from './lstmFused.ts';
import { lstmReference } from './lstmReference.ts';
import { hasFusedOps, tf, type Tensor, type Tensor1D } from './operations.ts';
import { Packing } from './packing.ts';
import { withPrecision } from './precision.ts';

/** Of every tensor, relative to its largest element. */
const TOLERANCE = 1e-5;
const INPUT = 3;

interface Case {
  readonly lengths: readonly number[];
  readonly x: Tensor;
  readonly weights: LstmWeights;
  readonly state: LstmState;
  /** Weighs every output differently in the loss. */
  readonly upstream: Tensor;
}

function randomCase(lengths: readonly number[], hidden: number): Case {
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  return {
    lengths,
    x: randomTensor([tokens, INPUT], 'x'),
    weights: {
      input: randomTensor([INPUT, 4 * hidden], 'input weights'),
      recurrent: randomTensor([hidden, 4 * hidden], 'recurrent weights'),
      bias: randomTensor([4 * hidden], 'bias'),
    },
    state: { hidden: randomTensor([lengths.length, hidden], 'hidden'), cell: randomTensor([lengths.length, hidden], 'cell', 2) },
    upstream: randomTensor([tokens, hidden], 'upstream'),
  };
}

type Read = (given: Case, truncation: number) => { outputs: Tensor; state: LstmState };

const packedRows: Read = ({ lengths, x, weights, state }, truncation) => packedLstm(x, weights, state, new Packing(lengths), truncation);

/** Where the tokens of a row lie: those of step t begin after all tokens of the steps before. */
function placesOf(row: number, lengths: readonly number[]): number[] {
  const before = (t: number) => lengths.reduce((sum, length) => sum + Math.min(length, t), 0);
  return Array.from({ length: lengths[row] ?? 0 }, (_, t) => before(t) + row);
}

/** Each row by itself, a chunk of `truncation` steps after the other, each from a state that is a mere constant. */
const rowByRow: Read = ({ lengths, x, weights, state }, truncation) => {
  const constant = (tensor: Tensor): Tensor => tf.tensor(tensor.dataSync(), tensor.shape);
  const hiddenSize = state.hidden.shape[1] ?? 0;
  const rows = lengths.map((length, row) => {
    const pick = (tensor: Tensor): Tensor => tf.slice(tensor, [row, 0], [1, hiddenSize]);
    const text = tf.gather(x, tf.tensor1d(placesOf(row, lengths), 'int32'));
    let after: LstmState = { hidden: pick(state.hidden), cell: pick(state.cell) };
    const outputs: Tensor[] = [];
    for (let start = 0; start < length; start += truncation) {
      const time = Math.min(truncation, length - start);
      const chunk = tf.reshape(tf.slice(text, [start, 0], [time, INPUT]), [time, 1, INPUT]);
      const read = lstmReference(chunk, weights, { hidden: constant(after.hidden), cell: constant(after.cell) });
      outputs.push(tf.reshape(read.outputs, [time, hiddenSize]));
      after = read.state;
    }
    return { outputs, after };
  });
  // Row after row, and from there to the places of the tokens.
  const order = lengths.flatMap((_, row) => placesOf(row, lengths));
  const inverse = order.map((_, place) => order.indexOf(place));
  const joined = tf.concat(rows.flatMap(({ outputs }) => outputs));
  return {
    outputs: tf.gather(joined, tf.tensor1d(inverse, 'int32') as Tensor1D),
    state: { hidden: tf.concat(rows.map(({ after }) => after.hidden)), cell: tf.concat(rows.map(({ after }) => after.cell)) },
  };
};

const gradients = (read: Read, given: Case, truncation: number) =>
  valueAndGradients(
    () => tf.sum(tf.mul(read(given, truncation).outputs, given.upstream)),
    [given.x, given.weights.input, given.weights.recurrent, given.weights.bias],
  ).gradients;

const repeated = (count: number, length: number): number[] => new Array<number>(count).fill(length);

/** What the names of the gradients are, in their order. */
const GRADIENTS = ['x', 'input weights', 'recurrent weights', 'bias'];

describe.skipIf(!hasFusedOps)(`packedLstm${SKIPPED_OPS}`, () => {
  const texts: { name: string; lengths: number[]; hidden: number }[] = [
    { name: 'one row alone', lengths: [7], hidden: 17 },
    { name: 'one token', lengths: [1], hidden: 5 },
    { name: 'one row among empty ones', lengths: [4, 0, 0], hidden: 6 },
    { name: 'different lengths, one of them 0', lengths: [9, 9, 7, 4, 4, 1, 0], hidden: 19 },
    { name: 'a row that outlives the others by far', lengths: [12, 2, 2, 1], hidden: 33 },
    // Steps at which blocks of rows go on beside blocks of rows that end: 15 and 16 rows.
    { name: 'many rows that end together', lengths: [...repeated(15, 6), ...repeated(16, 3)], hidden: 70 },
    { name: 'many rows that end one by one', lengths: Array.from({ length: 15 }, (_, row) => 15 - row), hidden: 16 },
    { name: 'more rows than one block, and a depth without a remainder', lengths: repeated(40, 4), hidden: 64 },
    { name: 'a rectangle', lengths: repeated(6, 7), hidden: 10 },
  ];

  describe.each(texts)('$name', ({ lengths, hidden }) => {
    const given = randomCase(lengths, hidden);

    it('has the outputs of each row by itself, and the state after its own end', () => {
      const found = packedRows(given, 3);
      const expected = rowByRow(given, 3);
      expect(found.outputs.shape).toEqual(given.upstream.shape);
      expect(relativeDifference(numbers(found.outputs), numbers(expected.outputs))).toBeLessThan(TOLERANCE);
      for (const part of ['hidden', 'cell'] as const) {
        expect(found.state[part].shape).toEqual([lengths.length, hidden]);
        expect(relativeDifference(numbers(found.state[part]), numbers(expected.state[part])), part).toBeLessThan(TOLERANCE);
      }
    });

    it.each([1, 2, 3, 100])('has the gradients of each row by itself, cut after every %i steps', (truncation) => {
      const expected = gradients(rowByRow, given, truncation);
      for (const [index, gradient] of gradients(packedRows, given, truncation).entries()) {
        expect(relativeDifference(gradient, expected[index] ?? []), GRADIENTS[index]).toBeLessThan(TOLERANCE);
      }
    });
  });

  // Some have an odd number of units, while products of bf16 take two at a time. Numbers are rounded to 8 bits on the way, by up to 2^-8 of
  // themselves, and the layer carries that on.
  it.each(texts)('in bf16 has the same outputs and gradients, rounded: $name', ({ lengths, hidden }) => {
    const given = randomCase(lengths, hidden);
    const rounded: Read = (...read) => withPrecision('bf16', () => packedRows(...read));
    const answers = (read: Read) => {
      const { outputs, state } = read(given, 3);
      return [numbers(outputs), numbers(state.cell), ...withPrecision(read === rounded ? 'bf16' : 'fp32', () => gradients(read, given, 3))];
    };
    const exact = answers(packedRows);
    for (const [index, found] of answers(rounded).entries()) {
      const difference = relativeDifference(found, exact[index] ?? []);
      expect(difference, ['outputs', 'cells', ...GRADIENTS][index]).toBeLessThan(0.06);
      expect(difference, ['outputs', 'cells', ...GRADIENTS][index]).toBeGreaterThan(0);
    }
  });

  it('cuts the gradient nowhere else: each truncation gives other ones', () => {
    const given = randomCase([9, 7, 4], 6);
    const [one, two, three, whole] = [1, 2, 3, 100].map((truncation) => gradients(packedRows, given, truncation)[2] ?? []);
    for (const [a, b] of [
      [one, two],
      [two, three],
      [three, whole],
    ]) {
      expect(relativeDifference(a ?? [], b ?? [])).toBeGreaterThan(1e-3);
    }
  });

  it('leaves an empty row bit by bit as it was', () => {
    const given = randomCase([3, 0], 5);
    const { state } = packedRows(given, 3);
    for (const part of ['hidden', 'cell'] as const) expect(numbers(state[part]).slice(5)).toEqual(numbers(given.state[part]).slice(5));
  });

  it('changes nothing that it is given, and answers alike each time', () => {
    const given = randomCase([9, 9, 7, 4, 4, 1, 0], 19);
    const all = [given.x, ...Object.values(given.weights), given.state.hidden, given.state.cell, given.upstream] as Tensor[];
    const before = all.map(numbers);
    const answer = () => {
      const { outputs, state } = packedRows(given, 3);
      return [numbers(outputs), numbers(state.hidden), numbers(state.cell), ...gradients(packedRows, given, 3)];
    };
    const first = answer();
    expect(all.map(numbers)).toEqual(before);
    for (let again = 0; again < 5; again++) expect(answer()).toEqual(first);
  });

  it('leaves nothing behind but the state', () => {
    const given = randomCase([4, 2, 0], 5);
    const states: LstmState[] = [];
    const run = (): Tensor => {
      const { outputs, state } = packedRows(given, 2);
      states.push(state);
      return tf.sum(outputs);
    };
    const before = tf.memory().numTensors;
    tf.tidy(() => void run());
    valueAndGradients(run, [given.x, given.weights.input, given.weights.recurrent, given.weights.bias]);
    expect(tf.memory().numTensors).toBe(before + 4);
    tf.dispose(states.flatMap(({ hidden, cell }) => [hidden, cell]));
    expect(tf.memory().numTensors).toBe(before);
  });
});
