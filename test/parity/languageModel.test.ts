import { beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors, floatValues, type Safetensors } from '../../trainer/checkpoint/safetensors.ts';
import { tf, type Scalar, type Tensor } from '../../trainer/engine/operations.ts';
import { awdLstm, disposeState, zeroState, type DropoutMasks, type EncoderState } from '../../trainer/model/awdLstm.ts';
import { languageModelLoss, REGULARIZATION, type Regularization } from '../../trainer/model/languageModel.ts';
import { languageModelShapes } from '../../trainer/model/parameters.ts';
import type { Sizes } from '../../trainer/model/presets.ts';
import { relativeDifference } from './closeness.ts';

const SIZES: Sizes = { vocabulary: 40, embedding: 12, hidden: 16, layers: 3 };
const BATCHES = [0, 1, 2];
/** Of every tensor, relative to its largest element. */
const TOLERANCE = 1e-5;
/** By so much a regularization term is enlarged where it is looked at by itself: small, it would be lost in the digits of the cross-entropy. */
const MAGNIFIED = 1024;

describe.each(['language-model', 'language-model-dropout'])('%s', (name) => {
  let golden: Safetensors;
  beforeAll(async () => {
    golden = await readSafetensors(new URL(`golden/${name}.safetensors`, import.meta.url).pathname);
  });
  const values = (tensor: string) => floatValues(golden.tensors, tensor);
  const tensor = (key: string): Tensor => {
    const found = golden.tensors.get(key);
    if (found === undefined) throw new Error(`golden file has no ${key}`);
    return found.dtype === 'I32' ? tf.tensor(found.data, [...found.shape], 'int32') : tf.tensor(values(key), [...found.shape]);
  };

  function masks(batch: number): DropoutMasks {
    if (name === 'language-model') return {};
    const mask = (key: string) => tensor(`batch.${batch}.masks.${key}`);
    const locked = (key: string) => tf.expandDims(mask(key), 0);
    return {
      embedding: mask('embedding'),
      input: locked('input'),
      weight: [0, 1, 2].map((layer) => mask(`recurrentWeights.${layer}`)),
      hidden: [0, 1].map((layer) => locked(`hidden.${layer}`)),
      output: locked('output'),
    };
  }

  const names = [...languageModelShapes(SIZES).keys()];
  const weights = () => new Map(names.map((key) => [key, tensor(`weights.${key}`)]));

  it('has the outputs and logits of fastai over three windows with carried state', () => {
    const parameters = weights();
    let state: EncoderState = zeroState(SIZES, 4);
    for (const batch of BATCHES) {
      const { raw, dropped, state: next } = awdLstm(parameters, tensor(`batch.${batch}.ids`), state, masks(batch));
      disposeState(state);
      state = next;
      const products = tf.matMul(tf.reshape(dropped, [-1, SIZES.embedding]), parameters.get('embedding.weight') as Tensor, false, true);
      const logits = tf.add(products, parameters.get('decoder.bias') as Tensor);
      for (const [key, found] of Object.entries({ 'output.raw': raw, 'output.dropped': dropped, logits })) {
        expect(relativeDifference(found.dataSync(), values(`batch.${batch}.${key}`)), `${key}, window ${batch}`).toBeLessThan(TOLERANCE);
      }
    }
    disposeState(state);
  });

  it('has the loss and every gradient of fastai over three windows with carried state', () => {
    const parameters = weights();
    let state: EncoderState = zeroState(SIZES, 4);
    for (const batch of BATCHES) {
      let crossEntropy = Number.NaN;
      let next: EncoderState | undefined;
      const { value, grads } = tf.valueAndGrads(() => {
        const input = { ids: tensor(`batch.${batch}.ids`), targets: tensor(`batch.${batch}.targets`) };
        const loss = languageModelLoss(parameters, input, state, masks(batch));
        crossEntropy = loss.crossEntropy.dataSync()[0] ?? Number.NaN;
        next = loss.state;
        return loss.total as Scalar;
      })([...parameters.values()]);
      disposeState(state);
      state = next ?? state;

      expect(relativeDifference([crossEntropy], values(`batch.${batch}.loss.crossEntropy`))).toBeLessThan(TOLERANCE);
      expect(relativeDifference(value.dataSync(), values(`batch.${batch}.loss.total`))).toBeLessThan(TOLERANCE);
      for (const [index, key] of names.entries()) {
        const difference = relativeDifference(grads[index]?.dataSync() ?? [], values(`batch.${batch}.gradients.${key}`));
        expect(difference, `gradient of ${key}, window ${batch}`).toBeLessThan(TOLERANCE);
      }
      for (const [layer, { hidden, cell }] of state.entries()) {
        expect(relativeDifference(hidden.dataSync(), values(`batch.${batch}.state.${layer}.hidden`))).toBeLessThan(TOLERANCE);
        expect(relativeDifference(cell.dataSync(), values(`batch.${batch}.state.${layer}.cell`))).toBeLessThan(TOLERANCE);
      }
    }
    disposeState(state);
  });

  const terms: [term: string, regularization: Regularization][] = [
    ['activation', { alpha: REGULARIZATION.alpha * MAGNIFIED, beta: 0 }],
    ['temporal', { alpha: 0, beta: REGULARIZATION.beta * MAGNIFIED }],
  ];
  // Only the golden with dropout, where what is dropped and what is not differ, has the terms by themselves.
  it.each(name === 'language-model-dropout' ? terms : [])('has the %s regularization of fastai, by itself', (term, regularization) => {
    const parameters = weights();
    const state: EncoderState = [0, 1, 2].map((layer) => ({
      hidden: tensor(`batch.0.state.${layer}.hidden`),
      cell: tensor(`batch.0.state.${layer}.cell`),
    }));
    const prefix = `batch.1.regularization.${term}`;
    const { value, grads } = tf.valueAndGrads(() => {
      const batch = { ids: tensor('batch.1.ids'), targets: tensor('batch.1.targets') };
      const loss = languageModelLoss(parameters, batch, state, masks(1), regularization);
      disposeState(loss.state);
      // What is added to the cross-entropy; the gradient of that goes in and out again, exactly.
      return tf.sub(loss.total, loss.crossEntropy);
    })([...parameters.values()]);
    const original = (found: Tensor | undefined): Float32Array =>
      (found?.dataSync<'float32'>() ?? new Float32Array()).map((x) => x / MAGNIFIED);
    expect(relativeDifference(original(value), values(`${prefix}.value`))).toBeLessThan(TOLERANCE);
    for (const [index, key] of names.entries()) {
      const found = original(grads[index]);
      // Neither term reaches the decoder.
      const expected = key === 'decoder.bias' ? new Float32Array(SIZES.vocabulary) : values(`${prefix}.gradients.${key}`);
      expect(relativeDifference(found, expected), `gradient of ${key}`).toBeLessThan(TOLERANCE);
    }
  });
});
