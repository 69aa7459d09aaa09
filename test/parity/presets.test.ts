/**
 * Language models of the presets' sizes: two windows with carried state and all five dropouts. Weights, masks and tokens come from a formula on
 * either side (formula.py), and golden/presets.safetensors has digests of what fastai makes of them (digest.py).
 */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { tf, type Scalar, type Tensor } from '../../trainer/engine/operations.ts';
import { awdLstm, disposeState, zeroState, type DropoutMasks, type EncoderState } from '../../trainer/model/awdLstm.ts';
import { languageModelLoss } from '../../trainer/model/languageModel.ts';
import { languageModelShapes } from '../../trainer/model/parameters.ts';
import { layerWidth, PRESETS, type Preset } from '../../trainer/model/presets.ts';
import { relativeDifference } from './closeness.ts';
import { expectDigest } from './digest.ts';
import { integers, mask, uniform } from './formula.ts';
import { readGolden, type Golden } from './golden.ts';

/** Of the losses; digest.ts has those of the tensors. */
const TOLERANCE = 1e-5;

interface Facts {
  readonly presets: Readonly<Record<Preset, object>>;
  readonly batch: number;
  readonly time: number;
  readonly windows: number;
  /** Of the weights, by their name or the last part of it. */
  readonly bounds: Readonly<Record<string, number>>;
  readonly dropout: Readonly<Record<'input_p' | 'hidden_p' | 'output_p' | 'weight_p' | 'embed_p', number>>;
}

describe.each(['small', 'base'] as const)('preset %s', (preset) => {
  const sizes = PRESETS[preset];
  const shapes = languageModelShapes(sizes);
  let golden: Golden;
  let facts: Facts;
  let parameters: Map<string, Tensor>;
  let state: EncoderState;

  beforeAll(async () => {
    golden = await readGolden('presets');
    facts = golden.facts as unknown as Facts;
    const boundOf = (name: string) => facts.bounds[name] ?? facts.bounds[name.split('.').at(-1) ?? ''] ?? Number.NaN;
    parameters = new Map([...shapes].map(([name, shape]) => [name, tf.tensor(uniform(`${preset}.${name}`, shape, boundOf(name)), shape)]));
    state = zeroState(sizes, facts.batch);
    return () => {
      tf.dispose([...parameters.values()]);
      disposeState(state);
    };
  });
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  it('has the sizes of the golden file', () => {
    expect(facts.presets[preset]).toEqual(sizes);
  });

  function masksOf(window: number): DropoutMasks {
    const { embed_p, input_p, weight_p, hidden_p, output_p } = facts.dropout;
    const draw = (name: string, shape: number[], probability: number, as = shape): Tensor =>
      tf.tensor(mask(`${preset}.${window}.${name}`, shape, probability), as);
    const locked = (name: string, width: number, probability: number): Tensor =>
      draw(name, [facts.batch, width], probability, [1, facts.batch, width]);
    const widths = Array.from({ length: sizes.layers }, (_, layer) => layerWidth(sizes, layer));
    return {
      embedding: draw('embedding', [sizes.vocabulary, 1], embed_p),
      input: locked('input', sizes.embedding, input_p),
      weight: widths.map((width, layer) => draw(`recurrentWeights.${layer}`, [width, 4 * width], weight_p)),
      hidden: widths.slice(0, -1).map((width, layer) => locked(`hidden.${layer}`, width, hidden_p)),
      output: locked('output', sizes.embedding, output_p),
    };
  }

  const expectFound = (tensor: Tensor | undefined, name: string): void => expectDigest(tensor?.dataSync() ?? [], golden, name);

  // The second window starts from the state that the first one left.
  it.each([0, 1])("has fastai's logits, losses, states and every gradient: window %i", (window) => {
    const { batch, time, windows } = facts;
    const stream = integers(`${preset}.stream`, [time * windows + 1, batch], 2, sizes.vocabulary);
    const rows = (from: number): Tensor => tf.tensor2d(stream.slice(from * batch, (from + time) * batch), [time, batch], 'int32');
    const [ids, targets] = [rows(window * time), rows(window * time + 1)];
    const masks = masksOf(window);
    const prefix = `${preset}.${window}`;

    const { raw, dropped, state: next } = awdLstm(parameters, ids, state, masks);
    disposeState(next);
    expectFound(raw, `${prefix}.output.raw`);
    expectFound(dropped, `${prefix}.output.dropped`);
    const flat = tf.reshape(dropped, [time * batch, sizes.embedding]);
    const products = tf.matMul(flat, parameters.get('embedding.weight') as Tensor, false, true);
    expectFound(tf.add(products, parameters.get('decoder.bias') as Tensor), `${prefix}.logits`);

    let crossEntropy = Number.NaN;
    const before = state;
    const { value, grads } = tf.valueAndGrads(() => {
      const loss = languageModelLoss(parameters, { ids, targets }, before, masks);
      crossEntropy = loss.crossEntropy.dataSync()[0] ?? Number.NaN;
      state = loss.state;
      return loss.total as Scalar;
    })([...parameters.values()]);
    disposeState(before);
    expect(relativeDifference([crossEntropy], golden.floats(`${prefix}.loss.crossEntropy`))).toBeLessThan(TOLERANCE);
    expect(relativeDifference(value.dataSync(), golden.floats(`${prefix}.loss.total`))).toBeLessThan(TOLERANCE);
    for (const [index, name] of [...shapes.keys()].entries()) expectFound(grads[index], `${prefix}.gradients.${name}`);
    for (const [layer, { hidden, cell }] of state.entries()) {
      expectFound(hidden, `${prefix}.state.${layer}.hidden`);
      expectFound(cell, `${prefix}.state.${layer}.cell`);
    }
  });
});
