import { beforeAll, describe, expect, it } from 'vitest';
import { floatValues } from '../../trainer/checkpoint/safetensors.ts';
import { tf, type Scalar, type Tensor } from '../../trainer/engine/operations.ts';
import type { DropoutMasks } from '../../trainer/model/awdLstm.ts';
import {
  classifierLogits,
  classifierLoss,
  disposeReading,
  readBeforeWindow,
  type DocumentOptions,
} from '../../trainer/model/classifier.ts';
import { oneHot } from '../../trainer/model/objective.ts';
import { classifierShapes, isTrainable } from '../../trainer/model/parameters.ts';
import { layerWidth, type Sizes } from '../../trainer/model/presets.ts';
import { relativeDifference } from './closeness.ts';
import { mask } from './formula.ts';
import { readGolden, type Golden } from './golden.ts';

const SIZES: Sizes = { vocabulary: 40, embedding: 12, hidden: 16, layers: 3 };
const TOLERANCE = 1e-5;
const WHOLE: DocumentOptions = { chunkLength: 7, window: 1440 };
const NO_DROPOUT = { dropout: 0, secondDropout: 0, key: { seed: 1, step: 0 } };

describe("the classifier and fastai's", () => {
  let golden: Golden;
  let documents: Int32Array[];
  let classes: number[];
  const names = [...classifierShapes(SIZES, 3).keys()];
  const values = (name: string) => floatValues(golden.tensors, name);
  const integers = (name: string) => golden.tensors.get(name)?.data as Int32Array;
  const parameters = (overrides: Record<string, string> = {}) =>
    new Map(
      names.map((name) => [
        name,
        tf.tensor(values(overrides[name] ?? `weights.${name}`), [...(golden.tensors.get(`weights.${name}`)?.shape ?? [])]),
      ]),
    );

  beforeAll(async () => {
    golden = await readGolden('classifier');
    const ids = integers('ids');
    const lengths = [...integers('lengths')];
    classes = [...integers('labels')];
    documents = lengths.map((length, row) => Int32Array.from({ length }, (_, t) => ids[t * lengths.length + row] ?? 0));
  });

  function train(options: DocumentOptions, masks: DropoutMasks = {}) {
    const weights = parameters();
    const trainable = names.filter(isTrainable);
    const before = readBeforeWindow(SIZES, weights, documents, options, masks);
    let logits: Float32Array = new Float32Array();
    let statistics = new Map<string, Tensor>();
    const { value, grads } = tf.valueAndGrads(() => {
      const result = classifierLoss(
        weights,
        { documents, targets: oneHot(classes, weights.get('head.1.bias')?.shape[0] ?? 0) },
        before,
        options,
        masks,
        NO_DROPOUT,
      );
      logits = result.logits.dataSync<'float32'>();
      statistics = result.statistics;
      return result.loss as Scalar;
    })(trainable.map((name) => weights.get(name) as Tensor));
    disposeReading(before);
    return {
      loss: value.dataSync(),
      logits,
      statistics,
      gradients: new Map(trainable.map((name, k) => [name, grads[k]?.dataSync() ?? []])),
    };
  }

  it('agree on loss, logits, running statistics and every gradient over several chunks', () => {
    const result = train(WHOLE);
    expect(relativeDifference(result.loss, values('loss'))).toBeLessThan(TOLERANCE);
    expect(relativeDifference(result.logits, values('logits'))).toBeLessThan(TOLERANCE);
    for (const [name, tensor] of result.statistics) {
      expect(relativeDifference(tensor.dataSync(), values(`after.${name}`)), name).toBeLessThan(TOLERANCE);
    }
    for (const [name, gradient] of result.gradients) {
      expect(relativeDifference(gradient, values(`gradients.${name}`)), `gradient of ${name}`).toBeLessThan(TOLERANCE);
    }
  });

  it('agree on every gradient where only the last tokens of a document carry one', () => {
    const result = train({ chunkLength: 7, window: 7 });
    expect(relativeDifference(result.loss, values('loss'))).toBeLessThan(TOLERANCE);
    for (const [name, gradient] of result.gradients) {
      expect(relativeDifference(gradient, values(`window.gradients.${name}`)), `gradient of ${name}`).toBeLessThan(TOLERANCE);
    }
  });

  it('agree on every gradient with the encoder’s dropouts, whose masks a document keeps from chunk to chunk', () => {
    const { embed_p, input_p, weight_p, hidden_p } = golden.facts['dropout'] as Record<
      'embed_p' | 'input_p' | 'weight_p' | 'hidden_p',
      number
    >;
    const draw = (name: string, shape: number[], probability: number, as = shape): Tensor =>
      tf.tensor(mask(`${String(golden.facts['masks'])}.${name}`, shape, probability), as);
    const locked = (name: string, width: number, probability: number): Tensor =>
      draw(name, [documents.length, width], probability, [1, documents.length, width]);
    const widths = Array.from({ length: SIZES.layers }, (_, layer) => layerWidth(SIZES, layer));
    const result = train(WHOLE, {
      embedding: draw('embedding', [SIZES.vocabulary, 1], embed_p),
      input: locked('input', SIZES.embedding, input_p),
      weight: widths.map((width, layer) => draw(`recurrentWeights.${layer}`, [width, 4 * width], weight_p)),
      hidden: widths.slice(0, -1).map((width, layer) => locked(`hidden.${layer}`, width, hidden_p)),
    });
    expect(relativeDifference(result.loss, values('dropout.loss'))).toBeLessThan(TOLERANCE);
    expect(relativeDifference(result.logits, values('dropout.logits'))).toBeLessThan(TOLERANCE);
    for (const [name, gradient] of result.gradients) {
      expect(relativeDifference(gradient, values(`dropout.gradients.${name}`)), `gradient of ${name}`).toBeLessThan(TOLERANCE);
    }
  });

  it('agree on the logits of documents, together and alone', () => {
    const weights = parameters();
    const together = classifierLogits(SIZES, weights, documents, WHOLE).dataSync();
    expect(relativeDifference(together, values('evaluation.logits'))).toBeLessThan(TOLERANCE);
    const alone = documents.flatMap((ids) => [...classifierLogits(SIZES, weights, [ids], WHOLE).dataSync()]);
    expect(relativeDifference(alone, values('evaluation.logits'))).toBeLessThan(TOLERANCE);
  });
});
