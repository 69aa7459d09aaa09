import { describe, expect, it } from 'vitest';
import { relativeDifference } from '../../test/parity/closeness.ts';
import { numbers, randomTensor, SKIPPED_OPS, SKIPPED_UNIT, valueAndGradients } from '../testSupport.ts';
import { fusedCrossEntropy, matrixUnitCrossEntropy, plainCrossEntropy, tiedCrossEntropy, tiedCrossEntropySum } from './crossEntropy.ts';
import { hasFusedOps, hasMatrixUnit, tf, type Tensor } from './operations.ts';
import { withPrecision } from './precision.ts';

/** Of every tensor, relative to its largest element. */
const TOLERANCE = 1e-5;

interface Case {
  readonly hidden: Tensor;
  readonly embedding: Tensor;
  readonly bias: Tensor;
  readonly targets: Tensor;
}

/** Every third row has the same target, so that their gradients meet in one row of the embedding. */
function randomCase(rows: number, size: number, vocabulary: number): Case {
  const targets = Array.from({ length: rows }, (_, row) => (row % 3 === 0 ? 5 : (row * 7919) % vocabulary));
  return {
    hidden: randomTensor([rows, size], 'hidden', 2),
    embedding: randomTensor([vocabulary, size], 'embedding'),
    bias: randomTensor([vocabulary], 'bias'),
    targets: tf.tensor1d(targets, 'int32'),
  };
}

/** The same in operations that tfjs differentiates by itself. */
function differentiatedCrossEntropy({ hidden, embedding, bias, targets }: Case): Tensor {
  const logits = tf.add(tf.matMul(hidden, embedding, false, true), bias);
  const wanted = tf.oneHot(targets, bias.size);
  return tf.neg(tf.mean(tf.sum(tf.mul(wanted, tf.logSoftmax(logits)), 1)));
}

const IMPLEMENTATIONS = [
  { name: 'tiedCrossEntropy', crossEntropy: tiedCrossEntropy, missing: false },
  { name: 'plainCrossEntropy', crossEntropy: plainCrossEntropy, missing: false },
  { name: 'fusedCrossEntropy', crossEntropy: fusedCrossEntropy, missing: !hasFusedOps },
];

const variables = ({ hidden, embedding, bias }: Case) => [hidden, embedding, bias];

/** How far two losses are apart: their values, and their gradients in hidden, embedding and bias. */
function differences(loss: () => Tensor, expected: () => Tensor, given: Case): number[] {
  const found = valueAndGradients(loss, variables(given));
  const wanted = valueAndGradients(expected, variables(given));
  const ofGradients = found.gradients.map((gradient, index) => relativeDifference(gradient, wanted.gradients[index] ?? []));
  return [relativeDifference([found.value], [wanted.value]), ...ofGradients];
}

for (const { name, crossEntropy, missing } of IMPLEMENTATIONS) {
  describe.skipIf(missing)(`${name}${missing ? SKIPPED_OPS : ''}`, () => {
    const lossOf = ({ hidden, embedding, bias, targets }: Case) => crossEntropy(hidden, embedding, bias, targets);

    it.each([
      { rows: 1, size: 3, vocabulary: 8 },
      { rows: 12, size: 5, vocabulary: 40 },
      // Vectors hold 4, 8 or 16 words: one short of them, one more, and an odd number of them.
      { rows: 2, size: 3, vocabulary: 15 },
      { rows: 7, size: 3, vocabulary: 17 },
      { rows: 31, size: 6, vocabulary: 1003 },
      // 256 rows of 60,000 logits are handled at a time: two blocks, the second one not full.
      { rows: 300, size: 4, vocabulary: 60_000 },
    ])('has the value and gradients of plain operations: $rows rows, vocabulary $vocabulary', ({ rows, size, vocabulary }) => {
      const given = randomCase(rows, size, vocabulary);
      const found = differences(
        () => lossOf(given),
        () => differentiatedCrossEntropy(given),
        given,
      );
      expect(found).toHaveLength(4);
      expect(Math.max(...found)).toBeLessThan(TOLERANCE);
    });

    it('passes on the gradient that comes from above', () => {
      const given = randomCase(6, 3, 16);
      const found = differences(
        () => tf.mul(lossOf(given), -2.5),
        () => tf.mul(differentiatedCrossEntropy(given), -2.5),
        given,
      );
      expect(Math.max(...found)).toBeLessThan(TOLERANCE);
    });

    it.each([80, 800, 10_000])('stays finite where logits are ±%i', (height) => {
      // Word 0 has the logit +height, word 1 -height, word 2 nothing. The rows want each of them once.
      const given: Case = {
        hidden: tf.tensor2d([[1], [1], [1]]),
        embedding: tf.tensor2d([[height], [-height], [0]]),
        bias: tf.zeros([3]),
        targets: tf.tensor1d([0, 1, 2], 'int32'),
      };
      const { value, gradients } = valueAndGradients(() => lossOf(given), variables(given));
      expect(value).toBeCloseTo((0 + 2 * height + height) / 3, 3);
      const [hidden, embedding, bias] = gradients;
      // Softmax is (1, 0, 0) in every row, so each row's logits have the gradient (1, 0, 0) less its own word's one, over 3.
      expect([...(bias ?? [])]).toEqual([2 / 3, -1 / 3, -1 / 3].map(Math.fround));
      expect([...(embedding ?? [])]).toEqual([2 / 3, -1 / 3, -1 / 3].map(Math.fround));
      expect(relativeDifference(hidden ?? [], [0, (2 * height) / 3, height / 3])).toBeLessThan(TOLERANCE);
    });

    it('is right where one word is far ahead of all others, wanted or not', () => {
      // Every row's logits are 50 at one word and 0 at all others.
      const words = 19;
      const ahead = [0, 7, 15, 16, 18];
      for (const wanted of ahead) {
        const given: Case = {
          hidden: tf.oneHot(tf.tensor1d(ahead, 'int32'), words).toFloat(),
          embedding: tf.mul(tf.eye(words), 50),
          bias: tf.zeros([words]),
          targets: tf.fill([ahead.length], wanted, 'int32'),
        };
        const { value, gradients } = valueAndGradients(() => lossOf(given), variables(given));
        expect(value).toBeCloseTo(50 * (1 - 1 / ahead.length), 4);
        const [, , bias] = gradients;
        const expected = Array.from({ length: words }, (_, k) => (ahead.includes(k) ? 1 : 0) / ahead.length - (k === wanted ? 1 : 0));
        expect(relativeDifference(bias ?? [], expected)).toBeLessThan(TOLERANCE);
      }
    });

    it('changes nothing that it is given, and answers alike each time', () => {
      // Two blocks of rows, and words beyond the last whole vector.
      const given = randomCase(300, 4, 60_001);
      const all = [...variables(given), given.targets];
      const before = all.map((tensor) => tensor.dataSync().slice());
      const first = valueAndGradients(() => lossOf(given), variables(given));
      expect(all.map((tensor) => tensor.dataSync())).toEqual(before);
      expect(valueAndGradients(() => lossOf(given), variables(given))).toEqual(first);
    });

    it('takes hardly more memory for more blocks of rows', async () => {
      // 64 rows of 240,000 logits are handled at a time.
      const peak = async (rows: number) => {
        const given = randomCase(rows, 8, 240_000);
        const { peakBytes, newBytes } = await tf.profile(() => lossOf(given));
        tf.dispose([...variables(given), given.targets]);
        return peakBytes - newBytes;
      };
      const twoBlocks = await peak(128);
      expect(await peak(320)).toBeLessThan(twoBlocks * 1.02);
    });

    it('leaves nothing behind', () => {
      const given = randomCase(300, 2, 60_000);
      const before = tf.memory().numTensors;
      valueAndGradients(() => lossOf(given), variables(given));
      expect(tf.memory().numTensors).toBe(before);
      lossOf(given).dispose();
      tiedCrossEntropySum(given.hidden, given.embedding, given.bias, given.targets).dispose();
      expect(tf.memory().numTensors).toBe(before);
    });
  });
}

describe.skipIf(!hasMatrixUnit)(`matrixUnitCrossEntropy${SKIPPED_UNIT}`, () => {
  const lossOf = ({ hidden, embedding, bias, targets }: Case) => matrixUnitCrossEntropy(hidden, embedding, bias, targets);
  /** As bf16 has it: the upper half of a float, rounded to nearest, ties to even. */
  const rounded = (tensor: Tensor): Tensor => {
    const bits = new Uint32Array(Float32Array.from(tensor.dataSync()).buffer);
    const halves = bits.map((word) => (word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000);
    return tf.tensor(new Float32Array(halves.buffer), tensor.shape);
  };
  const roundedCase = (rows: number, size: number, vocabulary: number): Case => {
    const given = randomCase(rows, size, vocabulary);
    return { ...given, hidden: rounded(given.hidden), embedding: rounded(given.embedding) };
  };

  // Words and rows go in blocks of 256, everything in squares of 32: one short of them, one more, and several.
  it.each([
    { rows: 1, size: 3, vocabulary: 8 },
    { rows: 31, size: 32, vocabulary: 33 },
    { rows: 33, size: 31, vocabulary: 513 },
    { rows: 257, size: 33, vocabulary: 1025 },
    { rows: 300, size: 48, vocabulary: 2100 },
  ])('has the value and gradients of plain operations: $rows rows of $size, vocabulary $vocabulary', ({ rows, size, vocabulary }) => {
    const given = roundedCase(rows, size, vocabulary);
    const [value, ...gradients] = differences(
      () => lossOf(given),
      () => differentiatedCrossEntropy(given),
      given,
    );
    // Hidden vectors and embedding are bf16 already, so logits are exact; their gradients are rounded before they are multiplied.
    expect(value).toBeLessThan(TOLERANCE);
    expect(gradients).toHaveLength(3);
    const [, , bias] = gradients;
    expect(bias).toBeLessThan(TOLERANCE);
    expect(Math.max(...gradients)).toBeLessThan(2 ** -8);
  });

  it('is what bf16 uses, and nothing else', () => {
    const given = randomCase(40, 8, 100);
    const loss = () => tiedCrossEntropy(given.hidden, given.embedding, given.bias, given.targets);
    const found = withPrecision('bf16', () => valueAndGradients(loss, variables(given)));
    expect(found).toEqual(valueAndGradients(() => lossOf(given), variables(given)));
    expect(valueAndGradients(loss, variables(given))).not.toEqual(found);
  });

  it('passes on the gradient that comes from above', () => {
    const given = randomCase(6, 3, 16);
    const once = valueAndGradients(() => lossOf(given), variables(given));
    const { value, gradients } = valueAndGradients(() => tf.mul(lossOf(given), -2), variables(given));
    expect(value).toBe(-2 * once.value);
    expect(gradients.map((gradient) => [...gradient])).toEqual(
      once.gradients.map((gradient) => [...gradient].map((number) => -2 * number)),
    );
  });

  it.each([80, 800, 10_000])('stays finite where logits are ±%i', (height) => {
    const given: Case = {
      hidden: tf.tensor2d([[1], [1], [1]]),
      embedding: rounded(tf.tensor2d([[height], [-height], [0]])),
      bias: tf.zeros([3]),
      targets: tf.tensor1d([0, 1, 2], 'int32'),
    };
    const [exact = 0] = numbers(given.embedding);
    const { value, gradients } = valueAndGradients(() => lossOf(given), variables(given));
    expect(value / exact).toBeCloseTo(1, 5);
    const [, embedding, bias] = gradients;
    expect(relativeDifference(bias ?? [], [2 / 3, -1 / 3, -1 / 3])).toBeLessThan(TOLERANCE);
    expect(relativeDifference(embedding ?? [], [2 / 3, -1 / 3, -1 / 3])).toBeLessThan(2 ** -8);
  });

  it('changes nothing that it is given, answers alike each time, and leaves nothing behind', () => {
    const given = randomCase(150, 40, 1100);
    const all = [...variables(given), given.targets];
    const before = all.map((tensor) => tensor.dataSync().slice());
    const tensors = tf.memory().numTensors;
    const first = valueAndGradients(() => lossOf(given), variables(given));
    expect(all.map((tensor) => tensor.dataSync())).toEqual(before);
    for (let again = 0; again < 5; again++) expect(valueAndGradients(() => lossOf(given), variables(given))).toEqual(first);
    expect(tf.memory().numTensors).toBe(tensors);
  });

  it('refuses a target that is no word', () => {
    const given = randomCase(12, 5, 40);
    for (const target of [-1, 40]) {
      const wrong = { ...given, targets: tf.fill([12], target, 'int32') };
      expect(() => tf.tidy(() => void lossOf(wrong))).toThrow('a target is not one of the words');
    }
  });
});

it.skipIf(!hasFusedOps)(`fusedCrossEntropy refuses a target that is no word${SKIPPED_OPS}`, () => {
  const given = randomCase(12, 5, 40);
  const before = tf.memory().numTensors;
  for (const target of [-1, 40]) {
    const targets = tf.fill([12], target, 'int32');
    const loss = () => fusedCrossEntropy(given.hidden, given.embedding, given.bias, targets);
    expect(() => tf.tidy(() => void loss())).toThrow('a target is not one of the words');
    targets.dispose();
  }
  expect(tf.memory().numTensors).toBe(before);
});

describe('tiedCrossEntropySum', () => {
  it.each([12, 300])('is the mean times the rows: %i of them', (rows) => {
    const given = randomCase(rows, 4, 60_000);
    const [sum = Number.NaN] = numbers(tiedCrossEntropySum(given.hidden, given.embedding, given.bias, given.targets));
    expect(
      relativeDifference([sum / rows], numbers(tiedCrossEntropy(given.hidden, given.embedding, given.bias, given.targets))),
    ).toBeLessThan(TOLERANCE);
  });
});
