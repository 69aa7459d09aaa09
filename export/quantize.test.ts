import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { tinyClassifier } from '../test/fixtures/tinyClassifier.ts';
import { classifierWeights } from './graph/classifierWeights.ts';
import { CELL_GUARDS, GUARDS, HIDDEN_GUARDS, quantizeClassifier, quantizeColumns } from './quantize.ts';

const LARGEST_ACTIVATION = 255;
const LARGEST_INT16 = 32_767;

describe('quantizeColumns', () => {
  const matrix = fc.record({ rows: fc.integer({ min: 1, max: 9 }), columns: fc.integer({ min: 1, max: 5 }) }).chain(({ rows, columns }) =>
    fc
      .array(
        fc.float({ min: -8, max: 8, noNaN: true }).map((number) => (Math.abs(number) < 1e-30 ? 0 : number)),
        { minLength: rows * columns, maxLength: rows * columns },
      )
      .map((numbers) => ({ rows, columns, data: Float32Array.from(numbers) })),
  );

  it('is within half a step of every number', () => {
    fc.assert(
      fc.property(matrix, ({ columns, data }) => {
        const { values, scales } = quantizeColumns(data, columns);
        data.forEach((number, place) => {
          const scale = scales[place % columns] ?? 0;
          expect(Math.abs((values[place] ?? 0) * scale - number)).toBeLessThanOrEqual(0.5 * scale * (1 + 1e-5));
        });
      }),
      { seed: 3 },
    );
  });

  it('lets no two neighbours of a column overflow 16 bits, whatever the activations', () => {
    fc.assert(
      fc.property(matrix, ({ rows, columns, data }) => {
        const { values } = quantizeColumns(data, columns);
        for (let row = 0; row < rows; row += 2) {
          for (let column = 0; column < columns; column++) {
            const pair = [row, row + 1].map((one) => Math.abs(one < rows ? (values[one * columns + column] ?? Number.NaN) : 0));
            expect(LARGEST_ACTIVATION * pair.reduce((sum, value) => sum + value, 0)).toBeLessThanOrEqual(LARGEST_INT16);
          }
        }
      }),
      { seed: 4 },
    );
  });

  it('uses the whole range where one number is alone', () => {
    expect([...quantizeColumns(Float32Array.of(0, 3, 0, -6), 2).values]).toEqual([0, 42, 0, -85]);
    expect([...quantizeColumns(Float32Array.of(-2, 0), 1).values]).toEqual([-127, 0]);
  });

  it('keeps a column of zeros', () => {
    expect(quantizeColumns(Float32Array.of(0, 1, 0, 1), 2)).toMatchObject({ values: Int8Array.of(0, 64, 0, 64) });
  });
});

describe('quantizeClassifier', () => {
  const { tensors, config } = tinyClassifier({ embedding: 6, hidden: 5, layers: 2 });
  const weights = classifierWeights(tensors, config.sizes, 3);
  const { embedding, layers } = quantizeClassifier(weights);
  const [first, second] = layers;
  const width = 6 + GUARDS;

  it("ends every token's vector with both ends of the range", () => {
    expect(embedding).toHaveLength(config.sizes.vocabulary * width);
    for (let row = 0; row < config.sizes.vocabulary; row++) {
      expect([...embedding.subarray(row * width + 6, (row + 1) * width)]).toEqual([127, -128]);
    }
  });

  it('uses all of the range in every column of the embedding', () => {
    for (let column = 0; column < 6; column++) {
      const magnitudes = Array.from({ length: config.sizes.vocabulary }, (_, row) => Math.abs(embedding[row * width + column] ?? 0));
      expect(Math.max(...magnitudes)).toBe(127);
    }
  });

  it("multiplies the embedding's scales into the first layer: integers times 8-bit weights give what numbers times weights gave", () => {
    const matrix = first?.inputWeights;
    const units = 5 + GUARDS;
    expect([first?.inputSize, first?.hiddenSize, matrix?.scales.length]).toEqual([width, units, 4 * units]);
    for (const token of [0, 7, 199]) {
      for (const [gate, unit] of [
        [0, 0],
        [1, 4],
        [3, 2],
      ] as const) {
        let exact = 0;
        let ours = 0;
        const column = gate * units + unit;
        for (let input = 0; input < 6; input++) {
          exact += (weights.embedding[token * 6 + input] ?? 0) * (weights.layers[0]?.inputWeights[(gate * 5 + unit) * 6 + input] ?? 0);
          ours += (embedding[token * width + input] ?? 0) * (matrix?.values[input * 4 * units + column] ?? 0);
        }
        expect(Math.abs(ours * (matrix?.scales[column] ?? 0) - exact)).toBeLessThan(0.02);
      }
    }
  });

  it('gives guards no weight in anything, and nothing any weight in them', () => {
    const units = 6 + GUARDS;
    expect([second?.inputSize, second?.hiddenSize]).toEqual([5 + GUARDS, units]);
    for (const [rows, values] of [
      [5 + GUARDS, second?.inputWeights.values],
      [units, second?.recurrentWeights.values],
    ] as const) {
      for (let row = 0; row < rows; row++) {
        for (let gate = 0; gate < 4; gate++) {
          const columns = values?.subarray(row * 4 * units + gate * units, row * 4 * units + (gate + 1) * units) ?? [];
          expect(Array.from(columns).slice(-GUARDS)).toEqual([0, 0]);
          if (row >= rows - GUARDS) expect(columns.every((value) => value === 0)).toBe(true);
        }
      }
    }
  });

  it('lets a guard be what it was at every step', () => {
    const bias = (gate: number): number => first?.biases[gate * 7 + 5] ?? Number.NaN;
    const sigmoid = (value: number): number => Math.fround(1 / (1 + Math.exp(-value)));
    let [cell] = CELL_GUARDS as readonly [number, number];
    let hidden = 0;
    for (let step = 0; step < 1000; step++) {
      cell = Math.fround(sigmoid(bias(2)) * cell + sigmoid(bias(0)) * Math.tanh(bias(3)));
      hidden = Math.fround(sigmoid(bias(1)) * Math.tanh(cell));
    }
    expect([cell, hidden]).toEqual([CELL_GUARDS[0], HIDDEN_GUARDS[0]]);
  });
});
