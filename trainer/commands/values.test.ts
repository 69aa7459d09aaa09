import fc from 'fast-check';
import { expect, test } from 'vitest';

import { collect, fraction, nonNegativeInteger, nonNegativeNumber, port, positiveInteger, positiveNumber, seed } from './values.ts';

test('takes decimal numbers in their usual forms', () => {
  expect(['64', '+64', '6.4e1', '64.'].map(positiveInteger)).toEqual([64, 64, 64, 64]);
  expect(['0', '1e7'].map(nonNegativeInteger)).toEqual([0, 1e7]);
  expect(['.5', '5e-1', '0.50', '0'].map(fraction)).toEqual([0.5, 0.5, 0.5, 0]);
  expect(['0', '65535'].map(port)).toEqual([0, 65_535]);
  expect(['0', '2147483647'].map(seed)).toEqual([0, 2_147_483_647]);
  expect([positiveNumber('1e-3'), nonNegativeNumber('0')]).toEqual([0.001, 0]);
});

test('reads back any number as it is written', () => {
  fc.assert(
    fc.property(
      fc.double({ min: Number.MIN_VALUE, noNaN: true, noDefaultInfinity: true }),
      (value) => positiveNumber(String(value)) === value,
    ),
  );
  fc.assert(fc.property(fc.maxSafeNat(), (value) => nonNegativeInteger(String(value)) === value));
});

test.each([
  [positiveInteger, ['0', '-1', '1.5', '', ' ', '0x10', 'Infinity', 'NaN', '1_000', '64 ', 'e3', '.', '9007199254740993']],
  [nonNegativeInteger, ['-1', '0.5']],
  [port, ['-1', '65536']],
  [seed, ['-1', '2147483648']],
  [fraction, ['1', '-0.5', '10', '10%']],
  [positiveNumber, ['0', '-1', 'x', '1e999']],
  [nonNegativeNumber, ['-0.1', 'x', '1e999']],
])('refuses what is out of range: %o', (parse, values) => {
  for (const value of values) expect(() => parse(value)).toThrow(/^It must be a (whole )?number /);
});

test('gathers values', () => {
  expect(collect('b', collect('a', undefined))).toEqual(['a', 'b']);
});
