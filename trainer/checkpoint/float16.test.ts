import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromFloat16, toFloat16 } from './float16.ts';

const ALL_HALVES = Uint16Array.from({ length: 0x10000 }, (_, bits) => bits);

/** IEEE 754-2019, section 3.4: the value of a half, straight from its three fields. */
function valueOf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const one = (value: number) => toFloat16(new Float32Array([value]))[0];

describe('fromFloat16', () => {
  it('gives every half its IEEE 754 value', () => {
    const values = fromFloat16(ALL_HALVES);
    const wrong = [...ALL_HALVES].filter((bits) => !Object.is(values[bits], valueOf(bits)));
    expect(wrong).toEqual([]);
  });

  it('keeps NaN payloads', () => {
    expect(new Uint32Array(fromFloat16(new Uint16Array([0x7e2a])).buffer)[0]).toBe(0x7fc54000);
  });
});

describe('toFloat16', () => {
  it('gives every half back', () => {
    const back = toFloat16(fromFloat16(ALL_HALVES));
    const wrong = [...ALL_HALVES].filter((bits) => !Number.isNaN(valueOf(bits)) && back[bits] !== bits);
    expect(wrong).toEqual([]);
  });

  it('rounds to nearest, ties to even, between every two neighbours', () => {
    const step = (value: number, by: number) => {
      const single = new Float32Array([value]);
      const bits = new Int32Array(single.buffer);
      bits[0] = (bits[0] ?? 0) + by;
      return single[0] ?? NaN;
    };
    const wrong: number[] = [];
    for (let lower = 0; lower < 0x7bff; lower++) {
      const middle = (valueOf(lower) + valueOf(lower + 1)) / 2; // exact in float32: one bit more than a half has
      const even = lower % 2 === 0 ? lower : lower + 1;
      const right = one(middle) === even && one(step(middle, -1)) === lower && one(step(middle, 1)) === lower + 1;
      if (!right || one(-middle) !== (even | 0x8000)) wrong.push(lower);
    }
    expect(wrong).toEqual([]);
  });

  it.each([
    ['the largest half', 65_504, 0x7bff],
    ['just under the rounding edge', 65_519.996, 0x7bff],
    ['the rounding edge, half-way to 65,536', 65_520, 0x7c00],
    ['far too large', -1e30, 0xfc00],
    ['infinity', Infinity, 0x7c00],
    ['minus zero', -0, 0x8000],
    ['half of the smallest subnormal', 2 ** -25, 0],
    ['a little more than that', 2 ** -25 * 1.0001, 1],
    ['a float32 subnormal', 1e-40, 0],
    ['the largest value below the normal ones', 2 ** -14 - 2 ** -26, 0x400],
  ])('%s', (_, value, bits) => expect(one(value)).toBe(bits));

  it('keeps NaN a NaN, also one whose payload lies in the low bits alone', () => {
    const low = new Float32Array(new Uint32Array([0x7f800001, 0xffc00000]).buffer);
    expect([...fromFloat16(toFloat16(low))]).toEqual([NaN, NaN]);
  });

  it('stays within half a unit in the last place', () => {
    fc.assert(
      fc.property(fc.float({ min: -65_504, max: 65_504, noNaN: true }), (value) => {
        const rounded = fromFloat16(toFloat16(new Float32Array([value])))[0] ?? NaN;
        const unit = Math.max(2 ** -24, 2 ** (Math.floor(Math.log2(Math.abs(value) || 1)) - 10));
        expect(Math.abs(rounded - value)).toBeLessThanOrEqual(unit / 2);
      }),
    );
  });

  it('reads a view that starts inside its buffer', () => {
    expect([...toFloat16(new Float32Array([9, 1, -2]).subarray(1))]).toEqual([0x3c00, 0xc000]);
  });
});
