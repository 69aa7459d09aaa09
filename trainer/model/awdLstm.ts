import { lstm, type LstmState, type LstmWeights } from '../engine/lstm.ts';
import { packedLstm } from '../engine/lstmFused.ts';
import { hasFusedOps, tf, type Tensor, type Tensor1D } from '../engine/operations.ts';
import { dropoutMask, type DrawKey } from '../engine/random.ts';
import { maskRows } from '../engine/fusedOps.ts';
import { Packing } from '../engine/packing.ts';
import { layerWidth, type Sizes } from './presets.ts';

/** A model's tensors by name; model/parameters.ts lists names and shapes. */
export type Parameters = ReadonlyMap<string, Tensor>;

/** One state a layer, first to last. */
export type EncoderState = readonly LstmState[];

/** The five dropouts of the AWD-LSTM (Merity et al. 2017, section 4), each a probability of dropping. */
export interface Dropouts {
  /** Locked dropout on what the first layer reads. */
  readonly input: number;
  /** Locked dropout on what the last layer gives to the decoder or classifier. */
  readonly output: number;
  /** DropConnect on the hidden-to-hidden weights. */
  readonly weight: number;
  /** Dropout of whole words: rows of the embedding. */
  readonly embedding: number;
  /** Locked dropout between layers. */
  readonly hidden: number;
}

/** fastai's `awd_lstm_lm_config` and `awd_lstm_clas_config`, which carry the paper's numbers (section 4.1). */
export const LANGUAGE_MODEL_DROPOUTS: Dropouts = { input: 0.25, output: 0.1, weight: 0.2, embedding: 0.02, hidden: 0.15 };
export const CLASSIFIER_DROPOUTS: Dropouts = { input: 0.4, output: 0.4, weight: 0.5, embedding: 0.05, hidden: 0.3 };

/** All five dropouts multiplied by one number (fastai's `drop_mult`). */
export function scaleDropouts(dropouts: Dropouts, dropMult: number): Dropouts {
  const scaled = Object.entries(dropouts).map(([name, probability]) => [name, probability * dropMult]);
  return Object.fromEntries(scaled) as unknown as Dropouts;
}

/** The masks of one training step. A missing mask drops nothing. Locked masks are one for all time steps. */
export interface DropoutMasks {
  /** `[vocabulary, 1]` */
  readonly embedding?: Tensor;
  /** `[1, batch, embedding]` */
  readonly input?: Tensor;
  /** For each layer, `[width, 4 * width]` */
  readonly weight?: readonly Tensor[];
  /** Between layers, `[1, batch, width]` */
  readonly hidden?: readonly Tensor[];
  /** `[1, batch, embedding]` */
  readonly output?: Tensor;
}

/** Draws every mask of a training step from the run's seed and the step's number. */
export function drawMasks(sizes: Sizes, batch: number, dropouts: Dropouts, key: DrawKey): DropoutMasks {
  const layers = Array.from({ length: sizes.layers }, (_, layer) => layerWidth(sizes, layer));
  const locked = (width: number, probability: number, site: string) => dropoutMask([1, batch, width], probability, key, site);
  return {
    ...(dropouts.embedding > 0 && { embedding: dropoutMask([sizes.vocabulary, 1], dropouts.embedding, key, 'embedding') }),
    ...(dropouts.input > 0 && { input: locked(sizes.embedding, dropouts.input, 'input') }),
    ...(dropouts.weight > 0 && {
      weight: layers.map((width, layer) => dropoutMask([width, 4 * width], dropouts.weight, key, `weight.${layer}`)),
    }),
    ...(dropouts.hidden > 0 && {
      hidden: layers.slice(0, -1).map((width, layer) => locked(width, dropouts.hidden, `hidden.${layer}`)),
    }),
    ...(dropouts.output > 0 && { output: locked(sizes.embedding, dropouts.output, 'output') }),
  };
}

/** How the tokens of a batch lie in a tensor `[…tokens, width]`, and so how a layer and a locked mask meet them. */
export interface Layout {
  layer(x: Tensor, weights: LstmWeights, state: LstmState): { outputs: Tensor; state: LstmState };
  /** @param mask `[1, batch, width]` */
  locked(x: Tensor, mask: Tensor): Tensor;
}

/** `[time, batch, width]` */
export const RECTANGLE: Layout = {
  layer: lstm,
  locked: (x, mask) => {
    if (!hasFusedOps) return tf.mul(x, mask);
    const [time = 0, batch = 0, width = 0] = x.shape;
    return tf.reshape(lockedRows(tf.reshape(x, [time * batch, width]), mask, Packing.rectangle(time, batch)), x.shape);
  },
};

/** `[tokens, width]`, rows of different lengths; for our own ops. The gradient is cut after every `truncation` steps. */
export function packed(packing: Packing, truncation: number): Layout {
  return {
    layer: (x, weights, state) => packedLstm(x, weights, state, packing, truncation),
    locked: (x, mask) => lockedRows(x, mask, packing),
  };
}

/** Locked dropout of packed tokens. The mask is a constant, and so the gradient's mask as well. */
function lockedRows(x: Tensor, mask: Tensor, packing: Packing): Tensor {
  const times = tf.customGrad((...args) => {
    const [input, save] = args as unknown as [Tensor, (tensors: Tensor[]) => void];
    const rows = tf.reshape(mask, mask.shape.slice(1));
    save([rows]);
    return { value: maskRows(input, rows, packing), gradFunc: (upstream, [saved]) => maskRows(upstream, saved as Tensor, packing) };
  });
  return times(x);
}

/** What the encoder gives, in the layout it was given: both `[…tokens, embedding]`. `raw` is before the output dropout, `dropped` after it. */
export interface Encoded {
  readonly raw: Tensor;
  readonly dropped: Tensor;
  /** After the last step; kept tensors, of which the caller disposes. */
  readonly state: EncoderState;
}

/**
 * The AWD-LSTM encoder (Merity et al. 2017; fastai's `AWD_LSTM.forward`): embedding, then LSTM layers with dropout between them.
 *
 * @param ids `[time, batch]` int32, or as the layout has it
 * @param state where the text before this chunk left the model; a constant to the gradient
 */
export function awdLstm(parameters: Parameters, ids: Tensor, state: EncoderState, masks: DropoutMasks = {}, layout = RECTANGLE): Encoded {
  const locked = (x: Tensor, mask: Tensor | undefined): Tensor => (mask === undefined ? x : layout.locked(x, mask));
  const words = embed(parameter(parameters, 'embedding.weight'), ids, masks.embedding);
  let x = locked(words, masks.input);
  let raw = x;
  const states: LstmState[] = [];
  for (const [layer, before] of state.entries()) {
    const weights = {
      input: parameter(parameters, `lstm.${layer}.inputWeights`),
      recurrent: droppedWeights(parameter(parameters, `lstm.${layer}.recurrentWeights`), masks.weight?.[layer]),
      bias: parameter(parameters, `lstm.${layer}.bias`),
    };
    const result = layout.layer(x, weights, before);
    states.push(result.state);
    raw = result.outputs;
    x = locked(raw, masks.hidden?.[layer]);
  }
  return { raw, dropped: locked(raw, masks.output), state: states };
}

/**
 * Looks words up, dropping whole rows where a mask says so. The rows are gathered first, so the table itself is never multiplied, and
 * nothing as wide as a row is kept for the gradient.
 */
function embed(table: Tensor, ids: Tensor, rowMask: Tensor | undefined): Tensor {
  const lookUp = tf.customGrad((...args) => {
    const [rows, save] = args as unknown as [Tensor, (tensors: Tensor[]) => void];
    const words = tf.gather(rows, ids as Tensor1D);
    const kept = rowMask === undefined ? [] : [tf.gather(rowMask, ids as Tensor1D)];
    save([ids, ...kept]);
    return {
      value: kept.reduce((product, mask) => tf.mul(product, mask), words),
      gradFunc: (upstream, [places, ...masks]) => {
        const masked = masks.reduce((product, mask) => tf.mul(product, mask), upstream);
        const [vocabulary = 0, width = 0] = table.shape;
        return tf.unsortedSegmentSum(tf.reshape(masked, [-1, width]), tf.reshape(places as Tensor, [-1]) as Tensor1D, vocabulary);
      },
    };
  });
  return lookUp(table);
}

function droppedWeights(weights: Tensor, mask: Tensor | undefined): Tensor {
  return mask === undefined ? weights : tf.mul(weights, mask);
}

/** A tensor by its name; a missing one is a programming error and says which names exist. */
export function parameter(parameters: Parameters, name: string): Tensor {
  const tensor = parameters.get(name);
  if (tensor === undefined) throw new Error(`no parameter ${name} among ${[...parameters.keys()].join(', ')}`);
  return tensor;
}

/** The state at the start of a text: zeros, kept until disposed of. */
export function zeroState(sizes: Sizes, batch: number): EncoderState {
  return Array.from({ length: sizes.layers }, (_, layer) => {
    const shape: [number, number] = [batch, layerWidth(sizes, layer)];
    return { hidden: tf.keep(tf.zeros(shape)), cell: tf.keep(tf.zeros(shape)) };
  });
}

/** Frees a state that is not needed any more. */
export function disposeState(state: EncoderState): void {
  for (const layer of state) tf.dispose([layer.hidden, layer.cell]);
}
