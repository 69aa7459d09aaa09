/**
 * The arithmetic of LSTM layers with 8-bit weights, in AssemblyScript: what ../build.ts compiles to the two .wasm files beside it.
 *
 * Weights are signed 8-bit integers with one scale for each output channel. Activations are 7-bit integers, 64 standing for
 * zero, with one scale for each row, which is one token of one document: no row has any influence on another one's numbers.
 * Sums of products are exact integers, and everything else is float32 arithmetic that WebAssembly defines to the last bit, so that
 * every engine, with relaxed SIMD or without it, gives the same answer, and ../reference.ts does, too.
 *
 * Layout. Units are padded to a multiple of 16 with zeros. The 16 gates of 4 units form a panel: 4 input gates, 4 output gates,
 * 4 forget gates, 4 cell gates. A panel's weights lie together, 64 bytes for every 4 inputs: [4 gates][4 units][4 inputs]. So
 * one pass over a panel reads memory in one stream, and its four sums are the four gates of 4 units side by side. Scales, offsets
 * and biases have one number for each gate of each panel, in that order. A panel's offsets are 64 times the sums of its weights,
 * which takes the activations' 64 out of the products' sums again.
 */

/** Units of a panel. */
const UNITS: usize = 4;
/** Gates of a panel, and the bytes of a vector. */
const LANES: usize = 16;
/** Bytes of 16 numbers of 32 bits. */
const PANEL_BYTES: usize = 64;
/** The integer that stands for an activation of zero, and the largest distance from it. */
const ZERO: i32 = 64;
const LARGEST: f32 = 63;

/** Two rows of a panel's sums. */
const sums = memory.data(2 * 64, 16);

/**
 * The gates of rows, as far as their inputs decide them: sums · scales + biases.
 *
 * @param rows       how many.
 * @param width      inputs of a row, a multiple of 16.
 * @param inputs     [rows, width] 7-bit integers.
 * @param rowScales  [rows] float32.
 * @param weights    [panels, width / 4, 64] int8.
 * @param scales     [panels, 16] float32.
 * @param offsets    [panels, 16] int32.
 * @param biases     [panels, 16] float32.
 * @param panels     how many; a quarter of the layer's units.
 * @param gates      [rows, panels, 16] float32, written.
 */
export function project(
  rows: usize,
  width: usize,
  inputs: usize,
  rowScales: usize,
  weights: usize,
  scales: usize,
  offsets: usize,
  biases: usize,
  panels: usize,
  gates: usize,
): void {
  for (let panel: usize = 0; panel < panels; panel++) {
    const place = panel * PANEL_BYTES;
    const panelWeights = weights + panel * LANES * width;
    for (let row: usize = 0; row < rows; row++) {
      sumTwoRows(panelWeights, width, inputs, row, rows);
      const rowScale = f32x4.splat(load<f32>(rowScales + (row << 2)));
      const target = gates + row * panels * PANEL_BYTES + place;
      for (let gate: usize = 0; gate < PANEL_BYTES; gate += 16) {
        const scaled = scaledSums(row, gate, scales + place, offsets + place, rowScale);
        v128.store(target + gate, f32x4.add(scaled, v128.load(biases + place + gate)));
      }
    }
  }
}

/**
 * One time step of rows: cell = forget · cell + input · new, hidden = output · tanh(cell).
 *
 * @param rows       how many.
 * @param width      units of the layer, a multiple of 16.
 * @param previous   [rows, width] 7-bit integers: the hidden state before the step.
 * @param rowScales  [rows] float32: its scales.
 * @param weights    [width / 4, width / 4, 64] int8.
 * @param scales     [width / 4, 16] float32.
 * @param offsets    [width / 4, 16] int32.
 * @param gates      [rows, width / 4, 16] float32: what `project` made of the step's inputs.
 * @param cell       [rows, width] float32, read and written.
 * @param hidden     [rows, width] float32, written.
 */
export function step(
  rows: usize,
  width: usize,
  previous: usize,
  rowScales: usize,
  weights: usize,
  scales: usize,
  offsets: usize,
  gates: usize,
  cell: usize,
  hidden: usize,
): void {
  const panels = width / UNITS;
  for (let panel: usize = 0; panel < panels; panel++) {
    const place = panel * PANEL_BYTES;
    const panelWeights = weights + panel * LANES * width;
    for (let row: usize = 0; row < rows; row++) {
      sumTwoRows(panelWeights, width, previous, row, rows);
      const rowScale = f32x4.splat(load<f32>(rowScales + (row << 2)));
      const projected = gates + row * panels * PANEL_BYTES + place;
      const input = f32x4.add(v128.load(projected), scaledSums(row, 0, scales + place, offsets + place, rowScale));
      const output = f32x4.add(v128.load(projected, 16), scaledSums(row, 16, scales + place, offsets + place, rowScale));
      const forget = f32x4.add(v128.load(projected, 32), scaledSums(row, 32, scales + place, offsets + place, rowScale));
      const fresh = f32x4.add(v128.load(projected, 48), scaledSums(row, 48, scales + place, offsets + place, rowScale));
      const units = (row * width + panel * UNITS) << 2;
      const kept = f32x4.mul(sigmoid(forget), v128.load(cell + units));
      const next = f32x4.add(kept, f32x4.mul(sigmoid(input), tanh(fresh)));
      v128.store(cell + units, next);
      v128.store(hidden + units, f32x4.mul(sigmoid(output), tanh(next)));
    }
  }
}

/**
 * Rows of float32 as 7-bit integers: round(value · 63 / largest) + 64, where `largest` is the row's largest absolute value. Halves
 * are rounded to even. The row's scale is largest / 63.
 *
 * @param rows    how many.
 * @param width   numbers of a row, a multiple of 16.
 * @param values  [rows, width] float32.
 * @param into    [rows, width] 7-bit integers, written.
 * @param scales  [rows] float32, written.
 */
export function quantize(rows: usize, width: usize, values: usize, into: usize, scales: usize): void {
  for (let row: usize = 0; row < rows; row++) {
    const from = values + ((row * width) << 2);
    let most = f32x4.splat(0);
    for (let at: usize = 0; at < width; at += UNITS) most = f32x4.max(most, f32x4.abs(v128.load(from + (at << 2))));
    most = f32x4.max(most, v128.shuffle<f32>(most, most, 2, 3, 0, 1));
    const largest = f32x4.extract_lane(f32x4.max(most, v128.shuffle<f32>(most, most, 1, 0, 3, 2)), 0);
    store<f32>(scales + (row << 2), largest / LARGEST);
    const factor = f32x4.splat(largest > 0 ? LARGEST / largest : 0);
    const target = into + row * width;
    for (let at: usize = 0; at < width; at += LANES) {
      const place = from + (at << 2);
      const low = i16x8.narrow_i32x4_s(rounded(v128.load(place), factor), rounded(v128.load(place, 16), factor));
      const high = i16x8.narrow_i32x4_s(rounded(v128.load(place, 32), factor), rounded(v128.load(place, 48), factor));
      v128.store(target + at, i8x16.narrow_i16x8_u(low, high));
    }
  }
}

/**
 * The running maximum and sum of rows' outputs.
 *
 * @param values   [count] float32: a step's outputs.
 * @param maximum  [count] float32, read and written.
 * @param sum      [count] float32, read and written.
 */
export function pool(count: usize, values: usize, maximum: usize, sum: usize): void {
  for (let at: usize = 0; at < count << 2; at += 16) {
    const value = v128.load(values + at);
    v128.store(maximum + at, f32x4.max(v128.load(maximum + at), value));
    v128.store(sum + at, f32x4.add(v128.load(sum + at), value));
  }
}

/** (sums − offsets) · scales · rowScale of one gate of a panel's 4 units. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function scaledSums(row: usize, gate: usize, scales: usize, offsets: usize, rowScale: v128): v128 {
  const sum = v128.load(sums + (row & 1) * PANEL_BYTES + gate);
  const exact = f32x4.convert_i32x4_s(i32x4.sub(sum, v128.load(offsets + gate)));
  return f32x4.mul(f32x4.mul(exact, v128.load(scales + gate)), rowScale);
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function rounded(values: v128, factor: v128): v128 {
  return i32x4.add(i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(values, factor))), i32x4.splat(ZERO));
}

/** Before an even row, the sums of it and the next one, so that a weight is read once for two rows; before an odd row, nothing. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function sumTwoRows(panel: usize, width: usize, values: usize, row: usize, rows: usize): void {
  if (row & 1) return;
  const first = values + row * width;
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (row + 1 < rows) sumPair(panel, width, first);
    else sumOne(panel, width, first);
  } else {
    sumPlain(panel, width, first, sums);
    if (row + 1 < rows) sumPlain(panel, width, first + width, sums + PANEL_BYTES);
  }
}

/** sum + the 4 products of each lane. No pair of products is larger than 2 · 127 · 127, which 16 bits hold. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function dot(weights: v128, values: v128, sum: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(i16x8.relaxed_dot_i8x16_i7x16_s(weights, values), i16x8.splat(1)));
}

/** The sums of a panel's products with two rows, which lie one after the other. */
function sumPair(panel: usize, width: usize, first: usize): void {
  let a0 = i32x4.splat(0);
  let a1 = i32x4.splat(0);
  let a2 = i32x4.splat(0);
  let a3 = i32x4.splat(0);
  let b0 = i32x4.splat(0);
  let b1 = i32x4.splat(0);
  let b2 = i32x4.splat(0);
  let b3 = i32x4.splat(0);
  const end = first + width;
  let second = end;
  for (; first < end; first += 8, second += 8, panel += 128) {
    let one = v128.load32_splat(first);
    let other = v128.load32_splat(second);
    let gate = v128.load(panel);
    a0 = dot(gate, one, a0);
    b0 = dot(gate, other, b0);
    gate = v128.load(panel, 16);
    a1 = dot(gate, one, a1);
    b1 = dot(gate, other, b1);
    gate = v128.load(panel, 32);
    a2 = dot(gate, one, a2);
    b2 = dot(gate, other, b2);
    gate = v128.load(panel, 48);
    a3 = dot(gate, one, a3);
    b3 = dot(gate, other, b3);
    one = v128.load32_splat(first, 4);
    other = v128.load32_splat(second, 4);
    gate = v128.load(panel, 64);
    a0 = dot(gate, one, a0);
    b0 = dot(gate, other, b0);
    gate = v128.load(panel, 80);
    a1 = dot(gate, one, a1);
    b1 = dot(gate, other, b1);
    gate = v128.load(panel, 96);
    a2 = dot(gate, one, a2);
    b2 = dot(gate, other, b2);
    gate = v128.load(panel, 112);
    a3 = dot(gate, one, a3);
    b3 = dot(gate, other, b3);
  }
  storeSums(sums, a0, a1, a2, a3);
  storeSums(sums + PANEL_BYTES, b0, b1, b2, b3);
}

/** The sums of a panel's products with one row. */
function sumOne(panel: usize, width: usize, first: usize): void {
  let s0 = i32x4.splat(0);
  let s1 = i32x4.splat(0);
  let s2 = i32x4.splat(0);
  let s3 = i32x4.splat(0);
  const end = first + width;
  for (; first < end; first += 16, panel += 256) {
    let value = v128.load32_splat(first);
    s0 = dot(v128.load(panel), value, s0);
    s1 = dot(v128.load(panel, 16), value, s1);
    s2 = dot(v128.load(panel, 32), value, s2);
    s3 = dot(v128.load(panel, 48), value, s3);
    value = v128.load32_splat(first, 4);
    s0 = dot(v128.load(panel, 64), value, s0);
    s1 = dot(v128.load(panel, 80), value, s1);
    s2 = dot(v128.load(panel, 96), value, s2);
    s3 = dot(v128.load(panel, 112), value, s3);
    value = v128.load32_splat(first, 8);
    s0 = dot(v128.load(panel, 128), value, s0);
    s1 = dot(v128.load(panel, 144), value, s1);
    s2 = dot(v128.load(panel, 160), value, s2);
    s3 = dot(v128.load(panel, 176), value, s3);
    value = v128.load32_splat(first, 12);
    s0 = dot(v128.load(panel, 192), value, s0);
    s1 = dot(v128.load(panel, 208), value, s1);
    s2 = dot(v128.load(panel, 224), value, s2);
    s3 = dot(v128.load(panel, 240), value, s3);
  }
  storeSums(sums, s0, s1, s2, s3);
}

/** The same without relaxed SIMD: 16-bit products. Each gate has two vectors of half sums, which are added at the end. */
function sumPlain(panel: usize, width: usize, first: usize, into: usize): void {
  let low0 = i32x4.splat(0);
  let low1 = i32x4.splat(0);
  let low2 = i32x4.splat(0);
  let low3 = i32x4.splat(0);
  let high0 = i32x4.splat(0);
  let high1 = i32x4.splat(0);
  let high2 = i32x4.splat(0);
  let high3 = i32x4.splat(0);
  const end = first + width;
  for (; first < end; first += 4, panel += 64) {
    const value = i16x8.extend_low_i8x16_u(v128.load32_splat(first));
    low0 = i32x4.add(low0, i32x4.dot_i16x8_s(v128.load8x8_s(panel), value));
    high0 = i32x4.add(high0, i32x4.dot_i16x8_s(v128.load8x8_s(panel, 8), value));
    low1 = i32x4.add(low1, i32x4.dot_i16x8_s(v128.load8x8_s(panel, 16), value));
    high1 = i32x4.add(high1, i32x4.dot_i16x8_s(v128.load8x8_s(panel, 24), value));
    low2 = i32x4.add(low2, i32x4.dot_i16x8_s(v128.load8x8_s(panel, 32), value));
    high2 = i32x4.add(high2, i32x4.dot_i16x8_s(v128.load8x8_s(panel, 40), value));
    low3 = i32x4.add(low3, i32x4.dot_i16x8_s(v128.load8x8_s(panel, 48), value));
    high3 = i32x4.add(high3, i32x4.dot_i16x8_s(v128.load8x8_s(panel, 56), value));
  }
  storeSums(into, joined(low0, high0), joined(low1, high1), joined(low2, high2), joined(low3, high3));
}

/** [a, b, c, d] and [e, f, g, h] to [a + b, c + d, e + f, g + h]. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function joined(low: v128, high: v128): v128 {
  return i32x4.add(v128.shuffle<i32>(low, high, 0, 2, 4, 6), v128.shuffle<i32>(low, high, 1, 3, 5, 7));
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function storeSums(into: usize, s0: v128, s1: v128, s2: v128, s3: v128): void {
  v128.store(into, s0);
  v128.store(into, s1, 16);
  v128.store(into, s2, 32);
  v128.store(into, s3, 48);
}

/** 1 / (1 + e^−x), within 2e-7. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function sigmoid(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, exp(f32x4.neg(x))));
}

/** 1 − 2 / (1 + e^2x), within 4e-7. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function tanh(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.sub(one, f32x4.div(f32x4.splat(2), f32x4.add(one, exp(f32x4.add(x, x)))));
}

/**
 * e^x for |x| up to 87, and e^±87 beyond: 2^n · e^r with n = round(x / ln 2), where |r| ≤ ln 2 / 2 and the Taylor series up to r^6
 * differs by less than 1.3e-7 of its value. ln 2 is subtracted in two parts, the first of which has so few digits that n
 * times it is exact.
 */
// @ts-ignore: a decorator of AssemblyScript
@inline
function exp(value: v128): v128 {
  const x = f32x4.max(f32x4.min(value, f32x4.splat(87)), f32x4.splat(-87));
  const n = f32x4.nearest(f32x4.mul(x, f32x4.splat(1.4426950408889634)));
  const r = f32x4.sub(f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375))), f32x4.mul(n, f32x4.splat(-0.00021219444005469057)));
  let series = f32x4.splat(1.0 / 720.0);
  series = f32x4.add(f32x4.mul(series, r), f32x4.splat(1.0 / 120.0));
  series = f32x4.add(f32x4.mul(series, r), f32x4.splat(1.0 / 24.0));
  series = f32x4.add(f32x4.mul(series, r), f32x4.splat(1.0 / 6.0));
  series = f32x4.add(f32x4.mul(series, r), f32x4.splat(0.5));
  series = f32x4.add(f32x4.mul(series, r), f32x4.splat(1));
  series = f32x4.add(f32x4.mul(series, r), f32x4.splat(1));
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
  return f32x4.mul(series, power);
}
