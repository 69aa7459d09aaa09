import { describe, expect, test } from 'vitest';
import { ENGINE_MISSING } from '../engine/testSupport.ts';
import { compareTraces, compareWithProcessor, ON_PROCESSOR, trace, type Compared } from './compareDevices.ts';

const traceOf = (values: Record<string, number[]>) => ({ device: 'cpu' as const, values });
const WAY: Compared = { name: 'other', environment: {}, tolerance: 0.01, rounded: false };

describe('two traces', () => {
  const reference = traceOf({ a: [1, -4], loss: [2] });

  test('are compared by their largest elements', () => {
    const { agrees, differences } = compareTraces(reference, traceOf({ a: [1.02, -4], loss: [2] }), WAY);
    expect(differences).toEqual([
      { value: 'a', difference: expect.closeTo(0.005, 6) },
      { value: 'loss', difference: 0 },
    ]);
    expect(agrees).toBe(true);
  });

  test.each([
    ['a larger difference', { a: [1.05, -4], loss: [2] }],
    ['a number that is not finite', JSON.parse('{"a": [null, -4], "loss": [2]}') as Record<string, number[]>],
    ['another length', { a: [1], loss: [2] }],
    ['a missing value', { a: [1, -4] }],
  ])('disagree by %s', (_, values) => {
    expect(compareTraces(reference, traceOf(values), WAY).agrees).toBe(false);
  });

  test('are not compared where a rounded product makes values jump', () => {
    const jumping = traceOf({
      'classifier: loss': [1],
      'classifier: gradient of head.0.weight': [1],
      'language model: gradient of x': [1],
    });
    const names = compareTraces(jumping, jumping, { ...WAY, rounded: true }).differences.map(({ value }) => value);
    expect(names).toEqual(['classifier: loss', 'language model: gradient of x']);
  });
});

describe.skipIf(ENGINE_MISSING)('the small models', () => {
  test('are computed alike by our operations and by TensorFlow’s, every layer, gradient and updated weight', async () => {
    const plain: Compared = {
      name: 'plain operations',
      environment: { ...ON_PROCESSOR.environment, ULMFIT_PLAIN_OPS: '1' },
      tolerance: 1e-5,
      rounded: false,
    };
    const [comparison] = await compareWithProcessor([plain]);
    expect(comparison?.differences.filter(({ difference }) => difference > plain.tolerance)).toEqual([]);
    expect(comparison?.agrees).toBe(true);
    const names = comparison?.differences.map(({ value }) => value) ?? [];
    expect(names).toContain('embedding');
    expect(names.filter((name) => /^layer [123]: outputs$/.test(name))).toHaveLength(3);
    expect(names.filter((name) => name.startsWith('language model: gradient of'))).toHaveLength(11);
    expect(names.filter((name) => name.startsWith('classifier: gradient of'))).toHaveLength(18);
  });

  test('change with the precision, so that a difference would be seen', async () => {
    const bf16: Compared = {
      name: 'bf16',
      environment: { ...ON_PROCESSOR.environment, ULMFIT_PRECISION: 'bf16' },
      tolerance: 5e-2,
      rounded: true,
    };
    const [comparison] = await compareWithProcessor([bf16]);
    expect(comparison?.agrees).toBe(true);
    const gradient = comparison?.differences.find(({ value }) => value === 'language model: gradient of embedding.weight');
    expect(gradient?.difference).toBeGreaterThan(1e-4);
  });

  test('fail with the reason where the device is missing', async () => {
    const missing = trace({ name: 'GPU', environment: { ULMFIT_DEVICE: 'gpu', CUDA_VISIBLE_DEVICES: '-1' } });
    await expect(missing).rejects.toThrow(/^the small models could not be computed \(GPU\): /);
  });
});
