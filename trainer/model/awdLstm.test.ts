import { describe, expect, it } from 'vitest';
import { relativeDifference } from '../../test/parity/closeness.ts';
import { lstmReference } from '../engine/lstmReference.ts';
import { hasFusedOps, tf, type Tensor } from '../engine/operations.ts';
import { Packing } from '../engine/packing.ts';
import { numbers, randomTensor, SKIPPED_OPS, TINY, tinyLanguageModel, valueAndGradients } from '../testSupport.ts';
import {
  awdLstm,
  CLASSIFIER_DROPOUTS,
  drawMasks,
  LANGUAGE_MODEL_DROPOUTS,
  packed,
  parameter,
  scaleDropouts,
  zeroState,
  type DropoutMasks,
  type Dropouts,
  type EncoderState,
} from './awdLstm.ts';
import { layerWidth } from './presets.ts';

const TOLERANCE = 1e-5;
const TIME = 6;
const BATCH = 4;
const NONE: Dropouts = { input: 0, output: 0, weight: 0, embedding: 0, hidden: 0 };
const KEY = { seed: 1, step: 20 };

const parameters = tinyLanguageModel();
/** Words come up several times, in one row and in several. */
const ids = tf.tensor2d(
  Array.from({ length: TIME * BATCH }, (_, place) => 9 + ((place * place) % 7)),
  [TIME, BATCH],
  'int32',
);
const state: EncoderState = Array.from({ length: TINY.layers }, (_, layer) => {
  const shape = [BATCH, layerWidth(TINY, layer)];
  return { hidden: randomTensor(shape, `hidden ${layer}`), cell: randomTensor(shape, `cell ${layer}`) };
});

/** The encoder as the paper tells it, one word after the other: every mask is applied where and when its word passes. */
function plainEncoder(masks: DropoutMasks): { raw: Tensor; dropped: Tensor } {
  const once = (mask: Tensor | undefined): Tensor | undefined => mask && tf.reshape(mask, mask.shape.slice(1));
  const times = (x: Tensor, mask: Tensor | undefined): Tensor => (mask === undefined ? x : tf.mul(x, mask));
  const table = times(parameter(parameters, 'embedding.weight'), masks.embedding);
  const words = numbers(ids);
  let states = state;
  const raw: Tensor[] = [];
  for (let t = 0; t < TIME; t++) {
    let x: Tensor = tf.gather(table, tf.tensor1d(words.slice(t * BATCH, (t + 1) * BATCH), 'int32'));
    x = times(x, once(masks.input));
    states = states.map((before, layer) => {
      const weights = {
        input: parameter(parameters, `lstm.${layer}.inputWeights`),
        recurrent: times(parameter(parameters, `lstm.${layer}.recurrentWeights`), masks.weight?.[layer]),
        bias: parameter(parameters, `lstm.${layer}.bias`),
      };
      const result = lstmReference(tf.expandDims(x, 0), weights, before);
      x = times(result.state.hidden, once(masks.hidden?.[layer]));
      return result.state;
    });
    raw.push(states.at(-1)?.hidden as Tensor);
  }
  return { raw: tf.stack(raw), dropped: tf.stack(raw.map((output) => times(output, once(masks.output)))) };
}

/** The gradients of a weighed sum of what an encoder gives, by the names of the parameters it reads. */
function gradientsOf(encode: () => { raw: Tensor; dropped: Tensor }, weights: { raw: Tensor; dropped: Tensor }) {
  const names = [...parameters.keys()].filter((name) => name !== 'decoder.bias');
  const { gradients } = valueAndGradients(
    () => {
      const { raw, dropped } = encode();
      return tf.add(tf.sum(tf.mul(raw, weights.raw)), tf.sum(tf.mul(dropped, weights.dropped)));
    },
    names.map((name) => parameter(parameters, name)),
  );
  return new Map(names.map((name, index) => [name, gradients[index] ?? new Float32Array()]));
}

/** Both outputs weighed differently at every place. */
const WEIGHTS = {
  raw: randomTensor([TIME, BATCH, TINY.embedding], 'weights of raw'),
  dropped: randomTensor([TIME, BATCH, TINY.embedding], 'weights of dropped'),
};

const HALF: Dropouts = { input: 0.5, output: 0.5, weight: 0.5, embedding: 0.5, hidden: 0.5 };

describe('awdLstm', () => {
  it.each<keyof Dropouts | 'all' | 'none'>(['none', 'embedding', 'input', 'weight', 'hidden', 'output', 'all'])(
    'applies its dropouts where the paper puts them: %s',
    (name) => {
      const dropouts = { none: NONE, all: HALF }[name as 'all'] ?? { ...NONE, [name]: 0.5 };
      const masks = drawMasks(TINY, BATCH, dropouts, KEY);
      const found = awdLstm(parameters, ids, state, masks);
      const expected = plainEncoder(masks);
      expect(relativeDifference(numbers(found.raw), numbers(expected.raw))).toBeLessThan(TOLERANCE);
      expect(relativeDifference(numbers(found.dropped), numbers(expected.dropped))).toBeLessThan(TOLERANCE);

      const undropped = awdLstm(parameters, ids, state);
      const part = name === 'output' ? 'dropped' : 'raw';
      if (name === 'none') expect(numbers(found.dropped)).toEqual(numbers(undropped.raw));
      else expect(relativeDifference(numbers(found[part]), numbers(undropped[part]))).toBeGreaterThan(0.05);
      if (name === 'output') expect(numbers(found.raw)).toEqual(numbers(undropped.raw));
    },
  );

  it.each<[string, Dropouts]>([
    ['none', NONE],
    ['all', HALF],
  ])('has the gradients of the paper’s encoder, word after word; dropouts: %s', (_, dropouts) => {
    const masks = drawMasks(TINY, BATCH, dropouts, KEY);
    const expected = gradientsOf(() => plainEncoder(masks), WEIGHTS);
    for (const [name, gradient] of gradientsOf(() => awdLstm(parameters, ids, state, masks), WEIGHTS)) {
      expect(relativeDifference(gradient, expected.get(name) ?? []), name).toBeLessThan(TOLERANCE);
    }
  });

  it('drops a word wherever it stands', () => {
    const word = numbers(ids)[0] ?? 0;
    const embedding = tf.tensor2d(Array.from({ length: TINY.vocabulary }, (_, id) => [id === word ? 0 : 1]));
    const table = tf.mul(parameter(parameters, 'embedding.weight'), embedding);
    const found = awdLstm(parameters, ids, state, { embedding });
    const expected = awdLstm(new Map([...parameters, ['embedding.weight', table]]), ids, state);
    expect(numbers(found.raw)).toEqual(numbers(expected.raw));
    expect(numbers(ids).filter((id) => id === word).length).toBeGreaterThan(3);
  });

  it('locks what it drops before the decoder for all time steps', () => {
    const { raw, dropped } = awdLstm(parameters, ids, state, drawMasks(TINY, BATCH, { ...NONE, output: 0.5 }, KEY));
    const before = numbers(raw);
    const zeros = numbers(dropped).map((value, index) => value === 0 && before[index] !== 0);
    const perStep = BATCH * TINY.embedding;
    const first = zeros.slice(0, perStep);
    expect(new Set(first)).toEqual(new Set([true, false]));
    for (let t = 1; t < TIME; t++) expect(zeros.slice(t * perStep, (t + 1) * perStep)).toEqual(first);
    // Each row of the batch has a mask of its own.
    expect(first.slice(0, TINY.embedding)).not.toEqual(first.slice(TINY.embedding, 2 * TINY.embedding));
  });

  it('goes on from a state exactly as if the text had not been cut', () => {
    const whole = awdLstm(parameters, ids, state);
    const cut = 2;
    const first = awdLstm(parameters, tf.slice(ids, [0, 0], [cut, BATCH]), state);
    const second = awdLstm(parameters, tf.slice(ids, [cut, 0], [TIME - cut, BATCH]), first.state);
    expect(relativeDifference([...numbers(first.raw), ...numbers(second.raw)], numbers(whole.raw))).toBeLessThan(TOLERANCE);
    for (const [layer, { hidden, cell }] of whole.state.entries()) {
      expect(relativeDifference(numbers(second.state[layer]?.hidden), numbers(hidden))).toBeLessThan(TOLERANCE);
      expect(relativeDifference(numbers(second.state[layer]?.cell), numbers(cell))).toBeLessThan(TOLERANCE);
    }
  });
});

describe.skipIf(!hasFusedOps)(`awdLstm of packed rows${SKIPPED_OPS}`, () => {
  it.each<[string, number[]]>([
    ['one length', [TIME, TIME, TIME, TIME]],
    ['different lengths', [6, 4, 4, 1]],
    ['rows without a token', [5, 2, 0, 0]],
  ])('gives what a rectangle with padding gives: %s', (_, lengths) => {
    const packing = new Packing(lengths);
    const words = numbers(ids);
    const packedIds = tf.tensor1d(
      packing.pack((row, t) => words[t * BATCH + row] ?? 0),
      'int32',
    );
    const places = tf.tensor1d(
      packing.pack((row, t) => t * BATCH + row),
      'int32',
    );
    /** The real tokens of a rectangle, packed. */
    const real = (tensor: Tensor): Tensor => tf.gather(tf.reshape(tensor, [TIME * BATCH, TINY.embedding]), places);
    const masks = drawMasks(TINY, BATCH, HALF, KEY);
    const encode = () => awdLstm(parameters, packedIds, state, masks, packed(packing, TIME));
    const padded = () => {
      const { raw, dropped } = plainEncoder(masks);
      return { raw: real(raw), dropped: real(dropped) };
    };
    for (const part of ['raw', 'dropped'] as const) {
      expect(relativeDifference(numbers(encode()[part]), numbers(padded()[part])), part).toBeLessThan(TOLERANCE);
    }
    const weights = { raw: real(WEIGHTS.raw), dropped: real(WEIGHTS.dropped) };
    const expected = gradientsOf(padded, weights);
    for (const [name, gradient] of gradientsOf(encode, weights)) {
      expect(relativeDifference(gradient, expected.get(name) ?? []), name).toBeLessThan(TOLERANCE);
    }
  });
});

describe('drawMasks', () => {
  const flat = (masks: DropoutMasks): Tensor[] => Object.values(masks).flat() as Tensor[];

  it('draws one mask a site, in the shapes that make dropout locked, of whole words, and of recurrent weights', () => {
    const masks = drawMasks(TINY, BATCH, HALF, KEY);
    const { vocabulary, embedding, hidden } = TINY;
    expect(masks.embedding?.shape).toEqual([vocabulary, 1]);
    expect(masks.input?.shape).toEqual([1, BATCH, embedding]);
    expect(masks.weight?.map(({ shape }) => shape)).toEqual([hidden, hidden, embedding].map((width) => [width, 4 * width]));
    expect(masks.hidden?.map(({ shape }) => shape)).toEqual([hidden, hidden].map((width) => [1, BATCH, width]));
    expect(masks.output?.shape).toEqual([1, BATCH, embedding]);
    // No two sites share their draws.
    const same = (a: Tensor | undefined, b: Tensor | undefined) => numbers(a).join() === numbers(b).join();
    expect(same(masks.weight?.[0], masks.weight?.[1])).toBe(false);
    expect(same(masks.hidden?.[0], masks.hidden?.[1])).toBe(false);
    expect(same(masks.input, masks.output)).toBe(false);
  });

  it('drops each site by its own probability', () => {
    const sizes = { vocabulary: 4000, embedding: 40, hidden: 60, layers: 2 };
    const dropouts: Dropouts = { embedding: 0.1, input: 0.2, weight: 0.3, hidden: 0.4, output: 0.6 };
    const masks = drawMasks(sizes, 100, dropouts, KEY);
    for (const [site, probability] of Object.entries(dropouts) as [keyof Dropouts, number][]) {
      const values = [masks[site] ?? []].flat().flatMap((mask) => numbers(mask as Tensor));
      const share = values.filter((value) => value === 0).length / values.length;
      expect(Math.abs(share - probability), site).toBeLessThan(0.03);
      expect(Math.max(...values), site).toBeCloseTo(1 / (1 - probability), 5);
    }
  });

  it('draws the same masks for the same step, and others for the next', () => {
    const draw = (step: number) => flat(drawMasks(TINY, BATCH, HALF, { seed: 1, step })).map(numbers);
    expect(draw(3)).toEqual(draw(3));
    for (const [index, mask] of draw(4).entries()) expect(mask).not.toEqual(draw(3)[index]);
  });

  it('draws no mask where nothing is dropped', () => {
    expect(drawMasks(TINY, BATCH, NONE, KEY)).toEqual({});
    expect(drawMasks(TINY, BATCH, scaleDropouts(LANGUAGE_MODEL_DROPOUTS, 0), KEY)).toEqual({});
  });
});

describe('dropouts', () => {
  it("are the paper's", () => {
    // fastai 2.8, text/models/awdlstm.py: awd_lstm_lm_config and awd_lstm_clas_config.
    expect(LANGUAGE_MODEL_DROPOUTS).toEqual({ input: 0.25, output: 0.1, weight: 0.2, embedding: 0.02, hidden: 0.15 });
    expect(CLASSIFIER_DROPOUTS).toEqual({ input: 0.4, output: 0.4, weight: 0.5, embedding: 0.05, hidden: 0.3 });
  });

  it('are all scaled by dropMult', () => {
    expect(scaleDropouts(CLASSIFIER_DROPOUTS, 0.5)).toEqual({ input: 0.2, output: 0.2, weight: 0.25, embedding: 0.025, hidden: 0.15 });
  });
});

describe('zeroState', () => {
  it('has the width of each layer and is zero', () => {
    const zeros = zeroState(TINY, 2);
    expect(zeros.map(({ hidden, cell }) => [hidden.shape, cell.shape])).toEqual(
      [7, 7, 5].map((width) => [
        [2, width],
        [2, width],
      ]),
    );
    for (const { hidden, cell } of zeros) expect([...numbers(hidden), ...numbers(cell)].every((value) => value === 0)).toBe(true);
  });
});
