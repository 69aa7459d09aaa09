import { beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors, floatValues, type Safetensors } from '../../trainer/checkpoint/safetensors.ts';
import { tf, type Scalar, type Tensor } from '../../trainer/engine/operations.ts';
import { disposeState, zeroState, type DropoutMasks, type EncoderState } from '../../trainer/model/awdLstm.ts';
import { languageModelLoss } from '../../trainer/model/languageModel.ts';
import { languageModelShapes } from '../../trainer/model/parameters.ts';
import type { Sizes } from '../../trainer/model/presets.ts';
import { relativeDifference } from './closeness.ts';

const SIZES: Sizes = { vocabulary: 40, embedding: 12, hidden: 16, layers: 3 };
const BATCHES = [0, 1, 2];
/** Of every tensor, relative to its largest element. */
const TOLERANCE = 1e-5;

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

  it('has the loss and every gradient of fastai over three windows with carried state', () => {
    const names = [...languageModelShapes(SIZES).keys()];
    const parameters = new Map(names.map((key) => [key, tensor(`weights.${key}`)]));
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
});
