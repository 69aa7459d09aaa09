/**
 * Computes a step of a small language model and of a small classifier, value by value, and prints all of it as one line of JSON. Run in
 * a process of its own for each device: ULMFIT_DEVICE names it.
 *
 * Usage: `node deviceTrace.ts`
 */
import { currentDevice } from '../engine/device.ts';
import { lstm } from '../engine/lstm.ts';
import { tf, type Scalar, type Tensor, type Tensor1D } from '../engine/operations.ts';
import { hostRandom } from '../engine/random.ts';
import { CLASSIFIER_DROPOUTS, drawMasks, LANGUAGE_MODEL_DROPOUTS, parameter, zeroState, type DropoutMasks } from '../model/awdLstm.ts';
import { classifierLoss, readBeforeWindow } from '../model/classifier.ts';
import { oneHot } from '../model/objective.ts';
import { languageModelLoss } from '../model/languageModel.ts';
import { classifierShapes, isTrainable, languageModelShapes } from '../model/parameters.ts';
import type { Sizes } from '../model/presets.ts';
import { Optimizer } from '../optim/optimizer.ts';

/** What a device computed, by name: a tensor's numbers, or one. */
export interface DeviceTrace {
  readonly device: 'cpu' | 'gpu';
  readonly values: Readonly<Record<string, readonly number[]>>;
}

/** Multiples of 8, as all presets are, because some kernels are made for these alone. */
const SIZES: Sizes = { vocabulary: 96, embedding: 24, hidden: 40, layers: 3 };
const [TIME, BATCH, CLASSES] = [11, 8, 3];
const KEY = { seed: 5, step: 3 };
const RATE = 0.01;
/** Much larger than in training: Adam would turn a gradient near 0 into a whole step to one side or to the other. */
const EPSILON = 0.01;

const values: Record<string, number[]> = {};
const record = (name: string, tensor: Tensor): void => void (values[name] = [...tensor.dataSync()]);

traceLanguageModel();
traceClassifier();
console.log(JSON.stringify({ device: currentDevice().kind, values } satisfies DeviceTrace));

function traceLanguageModel(): void {
  const parameters = randomParameters(languageModelShapes(SIZES));
  const masks = drawMasks(SIZES, BATCH, LANGUAGE_MODEL_DROPOUTS, KEY);
  const batch = { ids: randomIds('ids'), targets: randomIds('targets') };
  recordMasks('language model', masks);
  traceEncoder(parameters, batch.ids);
  const loss = () => languageModelLoss(parameters, batch, randomState(), masks).total;
  traceStep('language model', parameters, loss);
}

/** The embedding and each layer upon it, without dropout. */
function traceEncoder(parameters: Map<string, Tensor>, ids: Tensor): void {
  let x: Tensor = tf.gather(parameter(parameters, 'embedding.weight'), ids as Tensor1D);
  record('embedding', x);
  for (const [layer, state] of randomState().entries()) {
    const [input, recurrent, bias] = ['inputWeights', 'recurrentWeights', 'bias'].map((name) =>
      parameter(parameters, `lstm.${layer}.${name}`),
    ) as [Tensor, Tensor, Tensor];
    const result = lstm(x, { input, recurrent, bias }, state);
    x = result.outputs;
    record(`layer ${layer + 1}: outputs`, x);
    record(`layer ${layer + 1}: cell after the last step`, result.state.cell);
  }
}

function traceClassifier(): void {
  const parameters = randomParameters(classifierShapes(SIZES, CLASSES));
  const { output, ...encoder } = CLASSIFIER_DROPOUTS;
  const masks = drawMasks(SIZES, BATCH, { ...encoder, output: 0 }, KEY);
  // Documents of different lengths, some longer than the gradient window.
  const documents = Array.from({ length: BATCH }, (_, row) => randomDocument(3 + 5 * row, row));
  const classes = documents.map((_, row) => row % CLASSES);
  const options = { chunkLength: 7, window: 14 };
  const before = readBeforeWindow(SIZES, parameters, documents, options, masks);
  record('classifier: pooled before the gradient window', before.pooled.sum);
  const loss = () =>
    classifierLoss(parameters, { documents, targets: oneHot(classes, CLASSES) }, before, options, masks, { dropout: output, key: KEY })
      .loss;
  traceStep('classifier', parameters, loss);
}

/** The loss, its gradient in every tensor, and every tensor after an optimizer step. */
function traceStep(model: string, parameters: Map<string, Tensor>, loss: () => Scalar): void {
  const names = [...parameters.keys()].filter(isTrainable);
  const { value, grads } = tf.valueAndGrads(loss)(names.map((name) => parameter(parameters, name)));
  record(`${model}: loss`, value);
  for (const [index, name] of names.entries()) record(`${model}: gradient of ${name}`, grads[index] as Tensor);
  const optimizer = new Optimizer(parameters, { clip: 0.25, epsilon: EPSILON });
  optimizer.step(new Map(names.map((name) => [name, RATE])), loss);
  for (const name of names) record(`${model}: ${name} after a step`, parameter(optimizer.parameters, name));
}

function recordMasks(model: string, { embedding, weight }: DropoutMasks): void {
  if (embedding !== undefined) record(`${model}: mask of the words`, embedding);
  if (weight?.[0] !== undefined) record(`${model}: mask of the first layer's weights`, weight[0]);
}

/** Weights large enough for everything to matter; the variances of batch norm are positive. */
function randomParameters(shapes: ReadonlyMap<string, readonly number[]>): Map<string, Tensor> {
  return new Map(
    [...shapes].map(([name, shape]) => {
      const tensor = randomTensor(name, [...shape], 0.4);
      return [name, /\.norm\.(scale|variance)$/.test(name) ? tf.add(tensor, 1) : tensor];
    }),
  );
}

function randomState(): { hidden: Tensor; cell: Tensor }[] {
  return zeroState(SIZES, BATCH).map(({ hidden }, layer) => ({
    hidden: randomTensor(`hidden.${layer}`, hidden.shape, 0.5),
    cell: randomTensor(`cell.${layer}`, hidden.shape, 1),
  }));
}

/** Uniform in [-range, range), drawn on the host: the same on every device. */
function randomTensor(name: string, shape: number[], range: number): Tensor {
  const random = hostRandom(KEY, name);
  const size = shape.reduce((product, axis) => product * axis, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, () => (2 * random() - 1) * range),
    shape,
  );
}

function randomIds(name: string): Tensor {
  const random = hostRandom(KEY, name);
  return tf.tensor(
    Int32Array.from({ length: TIME * BATCH }, () => Math.floor(random() * SIZES.vocabulary)),
    [TIME, BATCH],
    'int32',
  );
}

/** No special tokens, so no padding. */
function randomDocument(length: number, row: number): Int32Array {
  const random = hostRandom(KEY, `document.${row}`);
  return Int32Array.from({ length }, () => 9 + Math.floor(random() * (SIZES.vocabulary - 9)));
}
