import { describe, expect, it } from 'vitest';
import { relativeDifference } from '../../test/parity/closeness.ts';
import { numbers, randomTensor, randomValues, SKIPPED_OPS, SKIPPED_UNIT } from '../testSupport.ts';
import { layerGradients, layerProduct, lstmForward, maskRows, pool, poolGradient, softmaxCrossEntropy, sumOfSquares } from './fusedOps.ts';
import { attributes, backend, hasFusedOps, hasMatrixUnit, tf, type Scalar, type Tensor } from './operations.ts';
import { Packing } from './packing.ts';
import { exactOperand, lower, raise } from './products.ts';

/** a1 b1 c1 | a2 b2 | a3 b3 | a4; the last row is empty. */
const LENGTHS = [4, 3, 1, 0];
const PACKING = new Packing(LENGTHS);
/** Row and step of each token. */
const TOKENS = [...PACKING.pack((row) => row)].map((row, at) => ({ row, t: PACKING.pack((_, step) => step)[at] ?? 0, at }));

/** Rounded to bf16, in fp32. */
const inBf16 = (x: Tensor): Tensor => raise(lower(x, attributes.bfloat16), attributes.bfloat16);

/** Gives numbers to the op in turn, and reads them back as they are afterwards. */
const tensor = (values: ArrayLike<number>, shape: number[]): Tensor => tf.tensor(Float32Array.from(values), shape);

describe.skipIf(!hasFusedOps)(`sigmoid and tanh of lstmForward${SKIPPED_OPS}`, () => {
  /** Runs an LSTM layer of 16 units with weights of 0 over `values`: its gates are then sigmoid and tanh of them. */
  function activations(values: readonly number[]): { sigmoid: number[]; tanh: number[]; output: number[] } {
    const hidden = 16;
    const rows = Math.ceil(values.length / hidden);
    const padded = Float32Array.from({ length: rows * hidden }, (_, k) => values[k] ?? 0);
    const gate = tensor(padded, [rows, hidden]);
    const gates = tf.concat([gate, gate, gate, gate], 1);
    const state = { hidden: tf.zeros([rows, hidden]), cell: tf.zeros([rows, hidden]) };
    const packing = Packing.rectangle(1, rows);
    lstmForward(exactOperand(gates), tf.zeros([hidden, 4 * hidden]), tf.zeros([4 * hidden]), state, packing);
    const [sigmoid, tanh, forget, output] = tf.split(gates, 4, 1).map((part) => numbers(part).slice(0, values.length));
    expect(forget).toEqual(sigmoid);
    expect(output).toEqual(sigmoid);
    // With an input gate of 1 and an output gate of 1, an output is tanh(tanh(x)): here the cells are the values, and the gates open.
    const open = tf.fill([rows, hidden], 100);
    const kept = tf.concat([tf.fill([rows, hidden], -100), gate, open, open], 1);
    const { outputs } = lstmForward(
      exactOperand(kept),
      tf.zeros([hidden, 4 * hidden]),
      tf.zeros([4 * hidden]),
      { ...state, cell: gate },
      packing,
    );
    return { sigmoid: sigmoid ?? [], tanh: tanh ?? [], output: numbers(outputs).slice(rows * hidden, rows * hidden + values.length) };
  }

  const largestError = (found: readonly number[], values: readonly number[], exact: (value: number) => number): number =>
    Math.max(...values.map((value, k) => Math.abs((found[k] ?? Number.NaN) / exact(Math.fround(value)) - 1)));

  const steps = (from: number, to: number, count: number): number[] =>
    Array.from({ length: count }, (_, k) => from + ((to - from) * k) / (count - 1));

  it('are right to some of the last bits, everywhere', () => {
    // No place of the grids is special: neither whole numbers nor powers of two.
    for (const values of [steps(-80, 79.3, 5003), steps(-9.7, 9.3, 5003), steps(-1.1, 1.2, 5003)]) {
      const { sigmoid, tanh, output } = activations(values);
      expect(largestError(sigmoid, values, (x) => 1 / (1 + Math.exp(-x)))).toBeLessThan(4e-7);
      expect(largestError(tanh, values, Math.tanh)).toBeLessThan(4e-7);
      expect(largestError(output, values, Math.tanh)).toBeLessThan(5e-7);
    }
  });

  it('near 0, where a tanh made of exponentials would have lost all digits, as right as elsewhere', () => {
    const values = [1e-30, 1e-20, 1e-8, 1e-5, 1e-3, 0.01, 0.1, 0.3].flatMap((value) => [value, -value, 1.37 * value, -1.37 * value]);
    expect(largestError(activations(values).tanh, values, Math.tanh)).toBeLessThan(4e-7);
  });

  it('on both sides of the place where the tanh changes its formula', () => {
    const values = steps(0.6249, 0.6251, 801).flatMap((value) => [value, -value]);
    expect(largestError(activations(values).tanh, values, Math.tanh)).toBeLessThan(4e-7);
  });

  it('at 0, at the ends, and beyond them', () => {
    const { sigmoid, tanh } = activations([0, 1e4, -1e4, Infinity, -Infinity]);
    expect(tanh).toEqual([0, 1, -1, 1, -1]);
    expect([sigmoid[0], sigmoid[1], sigmoid[3]]).toEqual([0.5, 1, 1]);
    for (const value of [sigmoid[2], sigmoid[4]]) expect(Math.abs(value ?? Number.NaN)).toBeLessThan(2e-38);
  });

  it('let a NaN through, so that a run that has diverged is seen', () => {
    const values = [Number.NaN, 0.5, Number.NaN];
    const { sigmoid, tanh, output } = activations(values);
    for (const found of [sigmoid, tanh, output]) expect(found.map(Number.isNaN)).toEqual([true, false, true]);
  });
});

describe.skipIf(!hasFusedOps)(`lstmForward${SKIPPED_OPS}`, () => {
  it('gives the state that came in before those of the tokens', () => {
    const [hidden, cell] = [randomTensor([4, 5], 'hidden'), randomTensor([4, 5], 'cell')];
    const weights = { recurrent: randomTensor([5, 20], 'recurrent'), bias: randomTensor([20], 'bias') };
    const found = lstmForward(exactOperand(randomTensor([8, 20], 'projected')), weights.recurrent, weights.bias, { hidden, cell }, PACKING);
    expect([found.outputs.shape, found.cells.shape]).toEqual([
      [12, 5],
      [12, 5],
    ]);
    expect(numbers(found.outputs).slice(0, 20)).toEqual(numbers(hidden));
    expect(numbers(found.cells).slice(0, 20)).toEqual(numbers(cell));
  });

  it.each([5, 16, 33])('in bf16 multiplies rounded outputs by rounded weights, and rounds nothing else: %i units', (units) => {
    const projected = inBf16(randomTensor([8, 4 * units], 'projected'));
    const weights = { recurrent: randomTensor([units, 4 * units], 'recurrent'), bias: randomTensor([4 * units], 'bias') };
    let state = { hidden: randomTensor([4, units], 'hidden'), cell: randomTensor([4, units], 'cell') };
    const gates = { tensor: lower(projected, attributes.bfloat16), type: attributes.bfloat16 };
    const found = lstmForward(gates, weights.recurrent, weights.bias, state, Packing.rectangle(2, 4));
    for (const t of [0, 1]) {
      const step = exactOperand(tf.tidy(() => tf.mul(tf.slice(projected, [4 * t, 0], [4, 4 * units]), 1)));
      const from = { hidden: inBf16(state.hidden), cell: state.cell };
      const { cells, outputs } = lstmForward(step, inBf16(weights.recurrent), weights.bias, from, Packing.rectangle(1, 4));
      state = { hidden: tf.slice(outputs, [4, 0], [4, units]), cell: tf.slice(cells, [4, 0], [4, units]) };
      for (const [of, expected] of [
        [found.outputs, state.hidden],
        [found.cells, state.cell],
      ] as const) {
        expect(relativeDifference(numbers(tf.slice(of, [4 * (t + 1), 0], [4, units])), numbers(expected))).toBeLessThan(1e-6);
      }
    }
  });
});

describe.skipIf(!hasMatrixUnit)(`layerProduct, layerGradients${SKIPPED_UNIT}`, () => {
  // Everything goes in squares of 32, sums in blocks of 512 rows and columns, depth in parts of 256, tokens in parts of 8,192: one short of
  // them, one more, and several.
  it.each([
    { tokens: 1, inputs: 1, hidden: 1 },
    { tokens: 31, inputs: 33, hidden: 8 },
    { tokens: 33, inputs: 31, hidden: 9 },
    { tokens: 257, inputs: 100, hidden: 129 },
    { tokens: 1100, inputs: 513, hidden: 70 },
    { tokens: 8193, inputs: 7, hidden: 5 },
    { tokens: 0, inputs: 3, hidden: 2 },
  ])('are the products of rounded matrices: $tokens tokens, $inputs to $hidden', ({ tokens, inputs, hidden }) => {
    const [x, weights] = [randomTensor([tokens, inputs], 'x'), randomTensor([inputs, 4 * hidden], 'weights')];
    const [previous, gradient] = [randomTensor([tokens, hidden], 'previous'), randomTensor([tokens, 4 * hidden], 'gradient')];
    const gates = numbers(raise(layerProduct(x, weights).tensor, attributes.bfloat16));
    expect(relativeDifference(gates, numbers(tf.matMul(inBf16(x), inBf16(weights))))).toBeLessThan(2 ** -8);

    const upstream = { tensor: lower(gradient, attributes.bfloat16), type: attributes.bfloat16 };
    const found = layerGradients(upstream, x, weights, previous);
    const expected = [
      tf.matMul(inBf16(gradient), inBf16(weights), false, true),
      tf.matMul(inBf16(x), inBf16(gradient), true),
      tf.matMul(inBf16(previous), inBf16(gradient), true),
    ];
    expect(found.map(({ shape }) => shape)).toEqual(expected.map(({ shape }) => shape));
    for (const [index, tensor] of expected.entries())
      expect(relativeDifference(numbers(found[index] ?? x), numbers(tensor))).toBeLessThan(1e-6);
  });

  it('refuse what does not fit together', () => {
    const zeros = (...shape: number[]) => tf.zeros(shape);
    const upstream = { tensor: lower(zeros(3, 8), attributes.bfloat16), type: attributes.bfloat16 };
    expect(() => layerProduct(zeros(3, 2), zeros(3, 8))).toThrow('weights is [3, 8], not [2, any]');
    expect(() => layerGradients(upstream, zeros(2, 2), zeros(2, 8), zeros(3, 2))).toThrow('x is [2, 2], not [3, any]');
    expect(() => layerGradients(upstream, zeros(3, 2), zeros(2, 7), zeros(3, 2))).toThrow('weights is [2, 7], not [2, 8]');
    expect(() => layerGradients(upstream, zeros(3, 2), zeros(2, 8), zeros(2, 2))).toThrow('previous is [2, 2], not [3, any]');
  });
});

describe.skipIf(!hasFusedOps)(`maskRows${SKIPPED_OPS}`, () => {
  it.each([1, 16, 37])('multiplies each token by the mask of its row: width %i', (width) => {
    const [x, mask] = [randomValues(PACKING.tokens * width, 'x'), randomValues(4 * width, 'mask')];
    const found = maskRows(tensor(x, [PACKING.tokens, width]), tensor(mask, [4, width]), PACKING);
    expect(found.shape).toEqual([PACKING.tokens, width]);
    const expected = TOKENS.flatMap(({ row, at }) =>
      Array.from({ length: width }, (_, k) => Math.fround((x[at * width + k] ?? 0) * (mask[row * width + k] ?? 0))),
    );
    expect(numbers(found)).toEqual(expected);
  });
});

describe.skipIf(!hasFusedOps)(`pool and poolGradient${SKIPPED_OPS}`, () => {
  const WIDTH = 5;
  const units = [...Array(WIDTH).keys()];
  const outputs = randomValues(PACKING.tokens * WIDTH, 'outputs');
  const before = randomValues(3 * 4 * WIDTH, 'before', 0.3);
  const found = hasFusedOps && pool(tensor(outputs, [PACKING.tokens, WIDTH]), tensor(before, [3, 4, WIDTH]), PACKING);

  /** What pooling makes of one unit of one row. */
  function pooledUnit(row: number, unit: number) {
    const earlier = (part: number) => before[(part * 4 + row) * WIDTH + unit] ?? Number.NaN;
    let [last, maximum, sum, place] = [earlier(0), earlier(1), earlier(2), -1];
    for (const token of TOKENS.filter((one) => one.row === row)) {
      const value = outputs[token.at * WIDTH + unit] ?? Number.NaN;
      if (value > maximum) [maximum, place] = [value, token.t];
      [last, sum] = [value, Math.fround(sum + value)];
    }
    return { last, maximum, sum, place };
  }
  const expected = LENGTHS.flatMap((_, row) => units.map((unit) => pooledUnit(row, unit)));

  it('takes the last output, the maximum and the sum, and what was there before', () => {
    if (!found) throw new Error('there are no ops');
    expect(found.pooled.shape).toEqual([3, 4, WIDTH]);
    expect(found.places.shape).toEqual([4, WIDTH]);
    const parts = (['last', 'maximum', 'sum'] as const).flatMap((part) => expected.map((one) => one[part]));
    expect(numbers(found.pooled)).toEqual(parts);
    expect(numbers(found.places)).toEqual(expected.map(({ place }) => place));
    // Each kind of place comes up: a maximum from before, at the first token, and later.
    expect(new Set(numbers(found.places).map((place) => Math.sign(place)))).toEqual(new Set([-1, 0, 1]));
  });

  it('leaves the row without a token bit by bit as it was', () => {
    if (!found) throw new Error('there are no ops');
    const rows = (values: ArrayLike<number>) => [0, 1, 2].flatMap((part) => units.map((unit) => values[(part * 4 + 3) * WIDTH + unit]));
    expect(rows(numbers(found.pooled))).toEqual(rows(before));
  });

  it('gives the gradient of the maximum to its place, of the last to the row’s end, and of the sum to all', () => {
    if (!found) throw new Error('there are no ops');
    const upstream = randomValues(3 * 4 * WIDTH, 'upstream');
    const gradient = poolGradient(tensor(upstream, [3, 4, WIDTH]), found.places, PACKING);
    expect(gradient.shape).toEqual([PACKING.tokens, WIDTH]);
    const wanted = TOKENS.flatMap(({ row, t }) =>
      units.map((unit) => {
        const from = (part: number) => upstream[(part * 4 + row) * WIDTH + unit] ?? Number.NaN;
        const last = t === (LENGTHS[row] ?? 0) - 1 ? from(0) : 0;
        return from(2) + last + (expected[row * WIDTH + unit]?.place === t ? from(1) : 0);
      }),
    );
    expect(relativeDifference(numbers(gradient), wanted)).toBeLessThan(1e-6);
  });

  it('where the maximum comes up twice, the first place has it; where it was there before, none has', () => {
    const packing = new Packing([3]);
    const x = tensor([5, 1, 2, 5, 4, 2, 1, 4, 2], [3, 3]);
    const earlier = tensor([0, 0, 0, -9, -9, 2, 0, 0, 0], [3, 1, 3]);
    const { pooled, places } = pool(x, earlier, packing);
    expect(numbers(pooled)).toEqual([1, 4, 2, 5, 4, 2, 11, 9, 6]);
    expect(numbers(places)).toEqual([0, 1, -1]);
    const gradient = poolGradient(tensor([0, 0, 0, 1, 1, 1, 0, 0, 0], [3, 1, 3]), places, packing);
    expect(numbers(gradient)).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 0]);
  });

  it('gives the work of many rows to all threads, and each row its own', () => {
    const many = new Packing(Array.from({ length: 31 }, (_, row) => 40 - row));
    const x = randomTensor([many.tokens, 7], 'many');
    const none = tf.concat([tf.zeros([1, 31, 7]), tf.fill([1, 31, 7], -3e38), tf.zeros([1, 31, 7])]);
    const { pooled } = pool(x, none, many);
    const values = numbers(x);
    const rows = [...many.pack((row) => row)];
    const of = (row: number, unit: number) => rows.flatMap((one, at) => (one === row ? [values[at * 7 + unit] ?? Number.NaN] : []));
    const all = Array.from({ length: 31 * 7 }, (_, at) => of(Math.floor(at / 7), at % 7));
    const sums = all.map((one) => one.reduce((sum, value) => sum + value, 0));
    expect(numbers(pooled).slice(0, 31 * 7)).toEqual(all.map((one) => one.at(-1)));
    expect(numbers(pooled).slice(31 * 7, 62 * 7)).toEqual(all.map((one) => Math.max(...one)));
    expect(relativeDifference(numbers(pooled).slice(62 * 7), sums)).toBeLessThan(1e-6);
  });
});

describe.skipIf(!hasFusedOps)(`softmaxCrossEntropy${SKIPPED_OPS}`, () => {
  // Vectors hold 4, 8 or 16 words: whole ones, parts of one, and both.
  it.each([
    [1, 1],
    [3, 7],
    [5, 16],
    [1, 33],
    [40, 100],
  ])('is the textbook formula in double precision: %i rows of %i words', (rows, words) => {
    const [logits, bias] = [randomValues(rows * words, 'logits', 8), randomValues(words, 'bias', 3)];
    const targets = Array.from({ length: rows }, (_, row) => (row * 7 + words - 1) % words);
    const scale = 0.75;
    const overwritten = tensor(logits, [rows, words]);
    const inputs = [tensor(bias, [words]), tf.tensor1d(targets, 'int32')] as const;
    const { losses, biasGradient } = softmaxCrossEntropy(exactOperand(overwritten), ...inputs, tf.scalar(scale));

    const expected = targets.map((target, row) => {
      const biased = Array.from({ length: words }, (_, k) => (logits[row * words + k] ?? 0) + (bias[k] ?? 0));
      const sum = biased.reduce((total, logit) => total + Math.exp(logit), 0);
      const gradient = biased.map((logit, k) => scale * (Math.exp(logit) / sum - (k === target ? 1 : 0)));
      return { loss: Math.log(sum) - (biased[target] ?? 0), gradient };
    });
    const sums = Array.from({ length: words }, (_, k) => expected.reduce((sum, { gradient }) => sum + (gradient[k] ?? 0), 0));
    const losers = expected.map(({ loss }) => loss);
    expect(Math.max(...numbers(losses).map((loss, row) => Math.abs(loss - (losers[row] ?? Number.NaN))))).toBeLessThan(3e-6);
    const gradients = expected.flatMap(({ gradient }) => gradient);
    expect(Math.max(...numbers(overwritten).map((value, k) => Math.abs(value - (gradients[k] ?? Number.NaN))))).toBeLessThan(1e-6);
    expect(Math.max(...numbers(biasGradient).map((value, k) => Math.abs(value - (sums[k] ?? Number.NaN))))).toBeLessThan(3e-6);
    expect(numbers(inputs[0])).toEqual([...bias]);
    expect(numbers(inputs[1])).toEqual(targets);
  });

  it('finds the largest logit wherever it stands, also in the last part of a vector', () => {
    // 200 more than any other: unless it is taken off first, its exponential is out of range.
    const words = 21;
    for (const place of Array(words).keys()) {
      const logits = tensor(
        Array.from({ length: words }, (_, k) => (k === place ? 200 : 0)),
        [1, words],
      );
      const target = (place + 1) % words;
      const { losses } = softmaxCrossEntropy(exactOperand(logits), tf.zeros([words]), tf.tensor1d([target], 'int32'), tf.scalar(1));
      expect(numbers(losses), `word ${place}`).toEqual([200]);
      const expected = Array.from({ length: words }, (_, k) => (k === place ? 1 : k === target ? -1 : 0));
      expect(relativeDifference(numbers(logits), expected), `word ${place}`).toBeLessThan(1e-30);
    }
  });

  it.each([
    [3, 7],
    [5, 16],
    [4, 33],
  ])('in bf16 is that of the rounded logits, its gradient rounded once: %i rows of %i words', (rows, words) => {
    const exact = lower(tensor(randomValues(rows * words, 'logits', 8), [rows, words]), attributes.bfloat16);
    const logits = { tensor: exact, type: attributes.bfloat16 };
    const expected = raise(exact, attributes.bfloat16);
    const inputs = [tensor(randomValues(words, 'bias', 3), [words]), tf.range(0, rows, 1, 'int32'), tf.scalar(0.75)] as const;
    const expectedParts = softmaxCrossEntropy(exactOperand(expected), ...inputs);
    const foundParts = softmaxCrossEntropy(logits, ...inputs);
    for (const part of ['losses', 'biasGradient'] as const) {
      expect(relativeDifference(numbers(foundParts[part]), numbers(expectedParts[part])), part).toBeLessThan(1e-6);
    }
    // Of 8 bits, half a unit in the last place is 2^-8 of a number at most.
    const gradients = numbers(expected);
    for (const [k, value] of numbers(raise(logits.tensor, attributes.bfloat16)).entries()) {
      expect(Math.abs(value - (gradients[k] ?? Number.NaN))).toBeLessThanOrEqual(2 ** -7.999 * Math.abs(gradients[k] ?? Number.NaN));
    }
  });

  it('lets a NaN through to the loss and all gradients of its row', () => {
    for (const place of [0, 18]) {
      const logits = tensor(
        Array.from({ length: 42 }, (_, k) => (k === place ? Number.NaN : 0)),
        [2, 21],
      );
      const targets = tf.tensor1d([3, 3], 'int32');
      const { losses, biasGradient } = softmaxCrossEntropy(exactOperand(logits), tf.zeros([21]), targets, tf.scalar(1));
      expect(numbers(losses).map(Number.isNaN)).toEqual([true, false]);
      expect(numbers(logits).map(Number.isNaN)).toEqual(Array.from({ length: 42 }, (_, k) => k < 21));
      expect(numbers(biasGradient).every(Number.isNaN)).toBe(true);
    }
  });
});

describe.skipIf(!hasFusedOps)(`sumOfSquares${SKIPPED_OPS}`, () => {
  it.each([0, 1, 15, 16, 4095, 4097, 12_301, 1_000_003])('is that of double precision: %i numbers', (size) => {
    const values = randomValues(size, 'values', 3);
    const [sum = Number.NaN] = numbers(sumOfSquares(tensor(values, [size])));
    const exact = values.reduce((total, value) => total + value ** 2, 0);
    expect(Math.abs(sum - exact)).toBeLessThanOrEqual(3e-7 * exact);
  });

  it('loses no small number beside a large one', () => {
    // The first block's sum is 2^38, beside which a float32 would lose each of the other 300 blocks' 4,096.
    const values = new Float32Array(301 * 4096).fill(1).fill(2 ** 13, 0, 4096);
    expect(numbers(sumOfSquares(tensor(values, [values.length])))).toEqual([Math.fround(2 ** 38 + 300 * 4096)]);
  });

  it('takes a tensor of any shape and gives a scalar', () => {
    expect(numbers(sumOfSquares(tf.tensor3d([[[1, -2]], [[3, 4]]])))).toEqual([30]);
    expect(sumOfSquares(tf.ones([2, 3])).shape).toEqual([]);
    expect(numbers(sumOfSquares(tf.scalar(-3)))).toEqual([9]);
  });
});

describe.skipIf(!hasFusedOps)(`the ops, given what does not fit${SKIPPED_OPS}`, () => {
  const zeros = (...shape: number[]) => tf.zeros(shape);
  const int = (...values: number[]) => tf.tensor1d(values, 'int32');
  const number = (value: number, type: 'int32' | 'float32' = 'float32') => tf.scalar(value, type) as Scalar;
  /** What fits, in the order of the inputs: 3 tokens in 2 rows, 2 units. */
  const FORWARD = () => [zeros(3, 8), zeros(2, 8), zeros(8), zeros(2, 2), zeros(2, 2), int(2, 1)];
  const BACKWARD = () => [zeros(3, 2), zeros(3, 8), zeros(5, 2), zeros(2, 8), int(2, 1), number(3, 'int32')];
  const MASK = () => [zeros(3, 2), zeros(2, 2), int(2, 1)];
  const POOL = () => [zeros(3, 2), zeros(3, 2, 2), int(2, 1)];
  const POOL_GRADIENT = () => [zeros(3, 2, 2), tf.zeros([2, 2], 'int32'), int(2, 1), number(3, 'int32')];
  const SOFTMAX = () => [zeros(2, 3), zeros(3), int(0, 2), number(1)];
  const DROPOUT = () => [int(2, 3), int(1, 2), number(0.5), number(2)];
  const ADAM = () => [zeros(3), zeros(3), zeros(3), zeros(3), number(1), zeros(8)];

  const OPS: Record<string, { inputs: () => Tensor[]; outputs: number }> = {
    LstmForward: { inputs: FORWARD, outputs: 2 },
    LstmBackward: { inputs: BACKWARD, outputs: 1 },
    MaskRows: { inputs: MASK, outputs: 1 },
    Pool: { inputs: POOL, outputs: 2 },
    PoolGradient: { inputs: POOL_GRADIENT, outputs: 1 },
    SoftmaxCrossEntropy: { inputs: SOFTMAX, outputs: 2 },
    DropoutMask: { inputs: DROPOUT, outputs: 1 },
    Adam: { inputs: ADAM, outputs: 1 },
  };

  const call = (name: string, inputs: Tensor[]) =>
    tf.tidy(() => void backend.executeMultipleOutputs(`Ulmfit${name}`, [], inputs, OPS[name]?.outputs ?? 0));

  it.each(Object.keys(OPS))('%s takes what fits', (name) => {
    expect(() => call(name, OPS[name]?.inputs() ?? [])).not.toThrow();
  });

  it.each<[op: string, index: number, input: () => Tensor, message: string]>([
    ['LstmForward', 0, () => zeros(3, 8, 1), 'projected is [3, 8, 1], not [any, any]'],
    ['LstmForward', 0, () => zeros(3, 9), 'projected does not hold four gates of equal width'],
    ['LstmForward', 0, () => zeros(4, 8), 'rows does not add up to the number of tokens'],
    ['LstmForward', 1, () => zeros(2, 7), 'recurrent is [2, 7], not [2, 8]'],
    ['LstmForward', 2, () => zeros(7), 'bias is [7], not [8]'],
    ['LstmForward', 3, () => zeros(2, 3), 'hidden is [2, 3], not [any, 2]'],
    ['LstmForward', 4, () => zeros(3, 2), 'cell is [3, 2], not [2, 2]'],
    ['LstmForward', 5, () => int(1, 2), 'rows is negative or grows'],
    ['LstmForward', 5, () => int(4, -1), 'rows is negative or grows'],
    ['LstmForward', 5, () => int(3), 'there are more rows than the batch has'],
    ['LstmForward', 5, () => tf.tensor1d([2, 1]), 'int32'],
    ['LstmBackward', 0, () => zeros(3), 'outputGradient is [3], not [any, any]'],
    ['LstmBackward', 1, () => zeros(3, 7), 'gates is [3, 7], not [3, 8]'],
    ['LstmBackward', 2, () => zeros(4, 2), 'there are more rows than the batch has'],
    ['LstmBackward', 2, () => zeros(2, 2), 'there are more rows than the batch has'],
    ['LstmBackward', 3, () => zeros(8, 2), 'recurrent is [8, 2], not [2, 8]'],
    ['LstmBackward', 4, () => int(2, 2), 'rows does not add up to the number of tokens'],
    ['LstmBackward', 5, () => number(0, 'int32'), 'truncation is less than one step'],
    ['MaskRows', 0, () => zeros(2, 2), 'rows does not add up to the number of tokens'],
    ['MaskRows', 1, () => zeros(2, 3), 'mask is [2, 3], not [any, 2]'],
    ['MaskRows', 1, () => zeros(1, 2), 'there are more rows than the batch has'],
    ['Pool', 1, () => zeros(2, 2, 2), 'pooled is [2, 2, 2], not [3, any, 2]'],
    ['Pool', 1, () => zeros(3, 1, 2), 'there are more rows than the batch has'],
    ['Pool', 2, () => int(1, 1), 'rows does not add up to the number of tokens'],
    ['PoolGradient', 0, () => zeros(2, 2, 2), 'gradient is [2, 2, 2], not [3, any, any]'],
    ['PoolGradient', 1, () => tf.zeros([2, 3], 'int32'), 'places is [2, 3], not [2, 2]'],
    ['PoolGradient', 3, () => number(4, 'int32'), 'rows does not add up to the number of tokens'],
    ['SoftmaxCrossEntropy', 1, () => zeros(4), 'bias is [4], not [3]'],
    ['SoftmaxCrossEntropy', 2, () => int(0, 1, 2), 'targets is [3], not [2]'],
    ['SoftmaxCrossEntropy', 2, () => int(0, 3), 'a target is not one of the words'],
    ['SoftmaxCrossEntropy', 2, () => int(-1, 0), 'a target is not one of the words'],
    ['SoftmaxCrossEntropy', 3, () => zeros(1), 'scale is [1], not []'],
    ['DropoutMask', 1, () => int(1), 'seed is [1], not [2]'],
    ['Adam', 0, () => zeros(4), 'parameter is [4], not [3]'],
    ['Adam', 1, () => zeros(1, 3), 'first is [1, 3], not [3]'],
    ['Adam', 2, () => zeros(2), 'second is [2], not [3]'],
    ['Adam', 3, () => zeros(3, 1), 'parameter is [3], not [3, 1]'],
    ['Adam', 5, () => zeros(5), 'settings is [5], not [8]'],
  ])('%s, input %i: says what is wrong, leaves nothing behind, and goes on', (name, index, input, message) => {
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const inputs = OPS[name]?.inputs() ?? [];
      expect(() => call(name, inputs.with(index, input()))).toThrow(message);
      expect(() => call(name, inputs)).not.toThrow();
    });
    expect(tf.memory().numTensors).toBe(before);
  });
});
