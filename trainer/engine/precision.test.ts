import { expect, test } from 'vitest';
import { UserError } from '../../text/errors.ts';
import { currentPrecision, precisionNotice, processorHasBf16, requestedPrecision, withPrecision } from './precision.ts';

test('the variable names the precision, and a wrong one is refused', () => {
  expect(requestedPrecision({})).toBe('fp32');
  expect(requestedPrecision({ ULMFIT_PRECISION: '' })).toBe('fp32');
  expect(requestedPrecision({ ULMFIT_PRECISION: 'bf16' })).toBe('bf16');
  expect(() => requestedPrecision({ ULMFIT_PRECISION: 'half' })).toThrow(/^ULMFIT_PRECISION is "half"; it can be fp32, bf16, fp16\.$/);
});

test('another precision ends with its body, also where that fails', () => {
  expect(withPrecision('bf16', () => [currentPrecision(), withPrecision('fp16', currentPrecision), currentPrecision()])).toEqual([
    'bf16',
    'fp16',
    'bf16',
  ]);
  expect(() =>
    withPrecision('bf16', () => {
      throw new Error('inside');
    }),
  ).toThrow('inside');
  expect(currentPrecision()).toBe('fp32');
});

test('fp16 needs a GPU, and bf16 without its instructions brings a notice', () => {
  const [has, lacks] = [() => true, () => false];
  for (const precision of ['fp32', 'bf16', 'fp16'] as const) expect(precisionNotice(precision, 'gpu', lacks)).toBeUndefined();
  expect(precisionNotice('fp32', 'cpu', lacks)).toBeUndefined();
  expect(precisionNotice('bf16', 'cpu', has)).toBeUndefined();
  expect(precisionNotice('bf16', 'cpu', lacks)).toMatch(/^This processor has no bf16 instructions, .* slower here than fp32\.$/);
  expect(() => precisionNotice('fp16', 'cpu', has)).toThrow(UserError);
});

test.each([
  ['processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 amx_tile\nbugs\t\t:\n', true],
  ['flags\t\t: fpu amx_bf16\n', true],
  ['Features\t: fp asimd bf16 i8mm\n', true],
  ['flags\t\t: fpu avx512f avx512_vnni\nbugs\t\t: bf16\n', false],
  ['', false],
])('bf16 instructions are seen in /proc/cpuinfo: %j', (text, expected) => {
  expect(processorHasBf16(text)).toBe(expected);
});
