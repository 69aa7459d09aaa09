const SIGN = 0x8000;
const INFINITY_BITS = 0x7c00;
const QUIET_NAN_BITS = 0x7e00;

/** The float32 bits of 65,520, the first value that rounds to infinity: half-way between 65,504 and 65,536. */
const FIRST_OVERFLOW = 0x477ff000;
/** The float32 bits of 2^-14, the smallest normal half. */
const SMALLEST_NORMAL = 0x38800000;
/** The float32 bits of 2^-25, half of the smallest subnormal: it and everything below it rounds to zero. */
const LARGEST_UNDERFLOW = 0x33000000;
/** The difference of the exponent biases, 127 - 15, in place in float32 bits. */
const BIAS_DIFFERENCE = 0x38000000;

/** The half that is nearest to the float32 whose bits are given; ties go to the even one. */
function halfBits(single: number): number {
  const sign = (single >>> 16) & SIGN;
  const magnitude = single & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | QUIET_NAN_BITS | ((magnitude >>> 13) & 0x3ff);
  if (magnitude >= FIRST_OVERFLOW) return sign | INFINITY_BITS;
  if (magnitude >= SMALLEST_NORMAL) {
    const rebiased = magnitude - BIAS_DIFFERENCE;
    return sign | ((rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13);
  }
  if (magnitude <= LARGEST_UNDERFLOW) return sign;
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - (magnitude >>> 23);
  const truncated = significand >>> shift;
  const rest = significand & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  const roundUp = rest > half || (rest === half && (truncated & 1) === 1);
  return sign | (truncated + (roundUp ? 1 : 0));
}

/**
 * Rounds float32 values to IEEE 754 half precision (binary16), to nearest and ties to even.
 * Too large becomes infinity, NaN stays NaN, subnormal halves are kept.
 *
 * @param values float32 values
 * @returns the bits of one half for each value, as safetensors stores `F16`
 * @example
 * toFloat16(new Float32Array([1, -2])) // Uint16Array [0x3c00, 0xc000]
 */
export function toFloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const singles = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let index = 0; index < halves.length; index++) halves[index] = halfBits(singles[index] ?? 0);
  return halves;
}

/**
 * Widens IEEE 754 half precision (binary16) to float32. Every half is exactly representable.
 *
 * @param halves the bits of the halves, as safetensors stores `F16`
 * @returns one float32 value for each half
 * @example
 * fromFloat16(new Uint16Array([0x3c00])) // Float32Array [1]
 */
export function fromFloat16(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const values = new Float32Array(halves.length);
  const bits = new Uint32Array(values.buffer);
  for (let index = 0; index < halves.length; index++) {
    const half = halves[index] ?? 0;
    const sign = (half & SIGN) << 16;
    const magnitude = half & 0x7fff;
    if (magnitude >= INFINITY_BITS) bits[index] = sign | 0x7f800000 | ((magnitude & 0x3ff) << 13);
    else if (magnitude >= 0x400) bits[index] = sign | ((magnitude << 13) + BIAS_DIFFERENCE);
    else values[index] = (sign === 0 ? magnitude : -magnitude) * 2 ** -24;
  }
  return values;
}
