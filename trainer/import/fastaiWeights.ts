import { UserError } from '../../text/errors.ts';
import { layerInputWidth, layerWidth, type Sizes } from '../model/presets.ts';
import { shown } from './pythonName.ts';
import { TorchTensor } from './torchNames.ts';

/** A tensor and its name in the file. */
export interface NamedTensor {
  readonly name: string;
  readonly tensor: TorchTensor;
}

/** One LSTM layer as PyTorch keeps it: gates in the order i, f, g, o along the first axis, and two biases. */
export interface LayerWeights {
  /** `[4h, in]` */
  readonly input: NamedTensor;
  /** `[4h, h]`, not dropped */
  readonly recurrent: NamedTensor;
  /** `[4h]` each */
  readonly biases: readonly [NamedTensor, NamedTensor];
}

/** A batch norm and the linear layer behind it. */
export interface HeadBlock {
  readonly norm: Readonly<Record<'scale' | 'shift' | 'mean' | 'variance', NamedTensor>>;
  /** `[out, in]` */
  readonly weight: NamedTensor;
  /** fastai 2 has none behind a batch norm. */
  readonly bias: NamedTensor | undefined;
}

/** An AWD-LSTM of fastai's, recognized by the names and shapes of its tensors. */
export interface FastaiWeights {
  readonly holds: 'languageModel' | 'classifier' | 'encoder';
  /** `vocabulary` is the number of the embedding's rows. */
  readonly sizes: Sizes;
  /** `[vocabulary, embedding]` */
  readonly embedding: NamedTensor;
  readonly layers: readonly LayerWeights[];
  /** Of a language model: weight `[vocabulary, embedding]`, and bias `[vocabulary]`, which fastai 0.7 did not have. */
  readonly decoder: { readonly weight: NamedTensor | undefined; readonly bias: NamedTensor | undefined };
  /** Of a classifier. */
  readonly head: readonly HeadBlock[];
}

/** More than anybody has trained; fastai's default is 3. */
const MOST_LAYERS = 32;

/** What stands before the encoder's names: a classifier of fastai 1 or 2, a language model or an old classifier, an encoder alone. */
const PREFIXES = ['0.module.', '0.', ''] as const;

/**
 * Finds the parts of an AWD-LSTM among the tensors of a file by fastai's names: those of version 2, of version 1, and of 0.7 (2018).
 * Where recurrent weights stand twice, the ones called `_raw` are taken: the others are a copy on which weights may be dropped.
 *
 * @param file the file's name, for messages
 * @param root what the file holds: the tensors by name, or these under "model", beside the optimizer's state
 * @throws UserError where it is another model, a tensor is missing, is of the wrong shape or is one that an AWD-LSTM does not have
 */
export function recognizeWeights(file: string, root: unknown): FastaiWeights {
  const tensors = new Tensors(file, root);
  const prefix = PREFIXES.find((candidate) => tensors.has(`${candidate}encoder.weight`));
  if (prefix === undefined) throw otherModel(file, tensors.names);
  refuseRelatives(file, tensors.names);
  const embedding = tensors.take(`${prefix}encoder.weight`);
  const layers = takeLayers(tensors, prefix);
  const decoder = { weight: tensors.takeOptional('1.decoder.weight'), bias: tensors.takeOptional('1.decoder.bias') };
  const head = takeHead(tensors, file);
  const [vocabulary = 0, width = 0] = embedding.tensor.shape;
  const sizes: Sizes = { vocabulary, embedding: width, hidden: layers[0]?.recurrent.tensor.shape[1] ?? 0, layers: layers.length };
  const weights: FastaiWeights = {
    holds: decoder.weight !== undefined || decoder.bias !== undefined ? 'languageModel' : head.length > 0 ? 'classifier' : 'encoder',
    sizes,
    embedding,
    layers,
    decoder,
    head,
  };
  tensors.leave(`${prefix}encoder_dp.emb.weight`, `${prefix}encoder_with_dropout.embed.weight`); // the embedding by another name
  tensors.refuseRest();
  checkShapes(file, weights);
  return weights;
}

/** The tensors of a file, each of which is asked for once. */
class Tensors {
  readonly #file: string;
  readonly #left = new Map<string, TorchTensor>();

  constructor(file: string, root: unknown) {
    this.#file = file;
    const model = root instanceof Map && root.get('model') instanceof Map ? (root.get('model') as unknown) : root;
    if (!(model instanceof Map)) throw new UserError(`${file} holds no dictionary of weights, such as learn.save writes.`);
    for (const [name, value] of model as ReadonlyMap<unknown, unknown>) {
      if (typeof name !== 'string' || !(value instanceof TorchTensor)) {
        throw new UserError(`${file} holds ${shown(String(name))}, which is no tensor, where weights are expected.`);
      }
      this.#left.set(name, value);
    }
  }

  get names(): string[] {
    return [...this.#left.keys()];
  }

  has(name: string): boolean {
    return this.#left.has(name);
  }

  takeOptional(name: string): NamedTensor | undefined {
    const tensor = this.#left.get(name);
    this.#left.delete(name);
    return tensor && { name, tensor };
  }

  /** The first of some names that is there; the others are left aside. */
  take(...names: string[]): NamedTensor {
    const found = names.map((name) => this.takeOptional(name)).find((tensor) => tensor !== undefined);
    if (found === undefined) throw new UserError(`${this.#file} has no tensor ${names.map(shown).join(' or ')}, which an AWD-LSTM has.`);
    return found;
  }

  /** What may be there and is not needed. */
  leave(...names: string[]): void {
    for (const name of names) this.#left.delete(name);
  }

  refuseRest(): void {
    if (this.#left.size === 0) return;
    throw new UserError(`${this.#file} has tensors that fastai's AWD-LSTM does not have: ${fewNames(this.names)}.`);
  }
}

function takeLayers(tensors: Tensors, prefix: string): LayerWeights[] {
  const layers: LayerWeights[] = [];
  while (layers.length < MOST_LAYERS && tensors.names.some((name) => name.startsWith(`${prefix}rnns.${layers.length}.`))) {
    const layer = `${prefix}rnns.${layers.length}.`;
    layers.push({
      input: tensors.take(`${layer}module.weight_ih_l0`, `${layer}weight_ih_l0`),
      recurrent: tensors.take(
        `${layer}weight_hh_l0_raw`, // fastai 1 and 2
        `${layer}module.weight_hh_l0_raw`, // 0.7
        `${layer}module.weight_hh_l0`,
        `${layer}weight_hh_l0`, // 0.7 without weight drop
      ),
      biases: [
        tensors.take(`${layer}module.bias_ih_l0`, `${layer}bias_ih_l0`),
        tensors.take(`${layer}module.bias_hh_l0`, `${layer}bias_hh_l0`),
      ],
    });
  }
  return layers;
}

/**
 * Batch norms and linear layers in their order, whatever numbers fastai's versions give them: `1.layers.0.0` and `1.layers.0.2` in
 * version 2, `1.layers.0` and `1.layers.2` in version 1, `1.layers.0.bn` and `1.layers.0.lin` in 0.7.
 */
function takeHead(tensors: Tensors, file: string): HeadBlock[] {
  const parts = tensors.names.filter((name) => name.startsWith('1.layers.')).map((name) => name.slice(0, name.lastIndexOf('.')));
  const modules = [...new Set(parts)];
  const isNorm = (module: string): boolean => tensors.has(`${module}.running_mean`);
  const [norms, linears] = [modules.filter(isNorm), modules.filter((module) => !isNorm(module))];
  if (norms.length !== linears.length) {
    throw new UserError(
      `${file} has a head of ${norms.length} batch norms and ${linears.length} linear layers; fastai's text classifiers have as many.`,
    );
  }
  return norms.map((norm, index): HeadBlock => {
    const linear = linears[index] ?? '';
    tensors.leave(`${norm}.num_batches_tracked`);
    return {
      norm: {
        scale: tensors.take(`${norm}.weight`),
        shift: tensors.take(`${norm}.bias`),
        mean: tensors.take(`${norm}.running_mean`),
        variance: tensors.take(`${norm}.running_var`),
      },
      weight: tensors.take(`${linear}.weight`),
      bias: tensors.takeOptional(`${linear}.bias`),
    };
  });
}

/** @throws UserError naming the first tensor of a shape that does not fit the sizes */
function checkShapes(file: string, { sizes, embedding, layers, decoder, head }: FastaiWeights): void {
  const check = ({ name, tensor }: NamedTensor, shape: readonly number[]): void => {
    if (shape.length === tensor.shape.length && shape.every((size, axis) => size === tensor.shape[axis])) return;
    throw new UserError(`${file}: tensor "${shown(name)}" has the shape [${tensor.shape.join(', ')}], expected [${shape.join(', ')}].`);
  };
  const rows = [sizes.vocabulary, sizes.embedding];
  if (layers.length === 0) throw new UserError(`${file} has an embedding and no LSTM layers (rnns.0…).`);
  if (rows.includes(0) || sizes.hidden === 0) throw new UserError(`${file} has tensors without numbers.`);
  check(embedding, rows);
  for (const [index, { input, recurrent, biases }] of layers.entries()) {
    const width = layerWidth(sizes, index);
    check(input, [4 * width, layerInputWidth(sizes, index)]);
    check(recurrent, [4 * width, width]);
    for (const bias of biases) check(bias, [4 * width]);
  }
  if (decoder.weight) check(decoder.weight, rows);
  if (decoder.bias) check(decoder.bias, [sizes.vocabulary]);
  let input = 3 * sizes.embedding;
  for (const { norm, weight, bias } of head) {
    for (const tensor of Object.values(norm)) check(tensor, [input]);
    const outputs = weight.tensor.shape[0] ?? 0;
    check(weight, [outputs, input]);
    if (bias) check(bias, [outputs]);
    input = outputs;
  }
}

/** Says what it is where fastai's other recurrent models have the names of an AWD-LSTM in part. */
function refuseRelatives(file: string, names: readonly string[]): void {
  const relative = names.some((name) => name.endsWith('_reverse'))
    ? 'a bidirectional AWD-LSTM (bidir=True), which reads ahead'
    : names.some((name) => /rnns\.\d+\.(layers\.\d+\.)?linear\./.test(name))
      ? 'a QRNN'
      : undefined;
  if (relative !== undefined) throw new UserError(`${file} holds ${relative}. Only an AWD-LSTM of one direction can be imported.`);
}

function otherModel(file: string, names: readonly string[]): UserError {
  return new UserError(
    `${file} is no AWD-LSTM of fastai's: it has no tensor 0.encoder.weight. ${names.length === 0 ? 'It is empty.' : `It has ${fewNames(names)}.`}`,
  );
}

function fewNames(names: readonly string[]): string {
  const few = names.slice(0, 4).map(shown).join(', ');
  return names.length > 4 ? `${few} and ${names.length - 4} more` : few;
}
