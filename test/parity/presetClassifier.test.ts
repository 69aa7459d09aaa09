/**
 * A classifier of the small preset's size: one training step over documents of several chunks. Weights and documents come from a formula on
 * either side (formula.py), and golden/preset-classifier.safetensors has digests of what fastai makes of them (digest.py).
 */
import { beforeAll, expect, it } from 'vitest';
import { tf, type Scalar, type Tensor } from '../../trainer/engine/operations.ts';
import { classifierLoss, disposeReading, readBeforeWindow } from '../../trainer/model/classifier.ts';
import { oneHot } from '../../trainer/model/objective.ts';
import { classifierShapes, isTrainable } from '../../trainer/model/parameters.ts';
import { PRESETS } from '../../trainer/model/presets.ts';
import { relativeDifference } from './closeness.ts';
import { expectDigest } from './digest.ts';
import { integers, uniform } from './formula.ts';
import { readGolden, type Golden } from './golden.ts';

/** Of loss and logits; digest.ts has those of the other tensors. */
const TOLERANCE = 1e-5;

interface Facts {
  readonly sizes: object;
  /** What the formulas of the documents are named by. */
  readonly documents: string;
  readonly lengths: readonly number[];
  readonly chunkLength: number;
  readonly classes: number;
  /** Of the encoder's weights, by their name or the last part of it. */
  readonly bounds: Readonly<Record<string, number>>;
  /** Of the head's, by what follows the number of their block; they lie around their centre, 0 unless told. */
  readonly headBounds: Readonly<Record<string, number>>;
  readonly headCentres: Readonly<Record<string, number>>;
}

let golden: Golden;
let facts: Facts;
beforeAll(async () => {
  golden = await readGolden('preset-classifier');
  facts = golden.facts as unknown as Facts;
});

function weightOf(name: string, shape: number[]): Tensor {
  const inHead = /^head\.\d\.(.*)/.exec(name)?.[1];
  const bound = inHead === undefined ? (facts.bounds[name] ?? facts.bounds[name.split('.').at(-1) ?? '']) : facts.headBounds[inHead];
  const values = uniform(`small.${name}`, shape, bound ?? Number.NaN);
  const centre = facts.headCentres[inHead ?? ''] ?? 0;
  return tf.tensor(
    values.map((value) => value + centre),
    shape,
  );
}

it("has fastai's loss, logits, running statistics and every gradient", () => {
  const sizes = PRESETS.small;
  expect(facts.sizes).toEqual(sizes);
  const documents = facts.lengths.map((length, row) => integers(`small.${facts.documents}.${row}`, [length], 2, sizes.vocabulary));
  const targets = oneHot(
    documents.map((_, row) => row % facts.classes),
    facts.classes,
  );
  const parameters = new Map([...classifierShapes(sizes, facts.classes)].map(([name, shape]) => [name, weightOf(name, shape)]));
  const trainable = [...parameters.keys()].filter(isTrainable);
  const options = { chunkLength: facts.chunkLength, window: 1440 };
  const before = readBeforeWindow(sizes, parameters, documents, options, {});
  let logits = new Float32Array();
  let statistics = new Map<string, Tensor>();
  const { value, grads } = tf.valueAndGrads(() => {
    const training = { dropout: 0, secondDropout: 0, key: { seed: 1, step: 0 } };
    const result = classifierLoss(parameters, { documents, targets }, before, options, {}, training);
    logits = Float32Array.from(result.logits.dataSync());
    statistics = result.statistics;
    return result.loss as Scalar;
  })(trainable.map((name) => parameters.get(name) as Tensor));
  disposeReading(before);

  expect(relativeDifference(value.dataSync(), golden.floats('small.loss'))).toBeLessThan(TOLERANCE);
  expect(relativeDifference(logits, golden.floats('small.logits'))).toBeLessThan(TOLERANCE);
  const found = [
    ...[...statistics].map(([name, tensor]) => [`after.${name}`, tensor] as const),
    ...trainable.map((name, index) => [`gradients.${name}`, grads[index]] as const),
  ];
  expect(found).toHaveLength(4 + trainable.length);
  for (const [name, tensor] of found) expectDigest(tensor?.dataSync() ?? [], golden, `small.${name}`);
});
