import { layerInputWidth, layerWidth, type Sizes } from './presets.ts';

/** Units of the classifier's hidden layer (Howard & Ruder 2018, section 4.1). */
export const HEAD_HIDDEN = 50;

/** Shapes of the encoder: embedding and LSTM layers, shared by language model and classifier. Gates in the order i, c, f, o. */
export function encoderShapes(sizes: Sizes): Map<string, number[]> {
  const shapes = new Map<string, number[]>([['embedding.weight', [sizes.vocabulary, sizes.embedding]]]);
  for (let layer = 0; layer < sizes.layers; layer++) {
    const width = layerWidth(sizes, layer);
    shapes.set(`lstm.${layer}.inputWeights`, [layerInputWidth(sizes, layer), 4 * width]);
    shapes.set(`lstm.${layer}.recurrentWeights`, [width, 4 * width]);
    shapes.set(`lstm.${layer}.bias`, [4 * width]);
  }
  return shapes;
}

/** Shapes of a language model. The decoder's weight is the embedding's, so only its bias is a tensor of its own. */
export function languageModelShapes(sizes: Sizes): Map<string, number[]> {
  return encoderShapes(sizes).set('decoder.bias', [sizes.vocabulary]);
}

/** Shapes of a classifier's head: two blocks of batch norm and linear layer over the concat-pooled `[3 * embedding]`. */
export function headShapes(sizes: Sizes, classes: number): Map<string, number[]> {
  const shapes = new Map<string, number[]>();
  const widths = [3 * sizes.embedding, HEAD_HIDDEN, classes];
  for (let block = 0; block < 2; block++) {
    const [input = 0, output = 0] = widths.slice(block);
    for (const name of ['scale', 'shift', 'mean', 'variance']) shapes.set(`head.${block}.norm.${name}`, [input]);
    shapes.set(`head.${block}.weight`, [input, output]);
    shapes.set(`head.${block}.bias`, [output]);
  }
  return shapes;
}

/** Shapes of a whole classifier. */
export function classifierShapes(sizes: Sizes, classes: number): Map<string, number[]> {
  return new Map([...encoderShapes(sizes), ...headShapes(sizes, classes)]);
}

/** True for what gradients train; false for batch norm's running statistics. */
export function isTrainable(name: string): boolean {
  return !/\.norm\.(mean|variance)$/.test(name);
}

/** Names of one LSTM layer's tensors. */
function layerNames(layer: number): string[] {
  return ['inputWeights', 'recurrentWeights', 'bias'].map((name) => `lstm.${layer}.${name}`);
}

/**
 * Layer groups of a language model, first to last: each LSTM layer, then embedding and decoder (fastai's `awd_lstm_lm_split`).
 * Discriminative rates and gradual unfreezing work on these.
 */
export function languageModelGroups(sizes: Sizes): string[][] {
  return [...Array.from({ length: sizes.layers }, (_, layer) => layerNames(layer)), ['embedding.weight', 'decoder.bias']];
}

/** Layer groups of a classifier, first to last: embedding, each LSTM layer, head (fastai's `awd_lstm_clas_split`). */
export function classifierGroups(sizes: Sizes): string[][] {
  const head = [...headShapes(sizes, 2).keys()].filter(isTrainable);
  return [['embedding.weight'], ...Array.from({ length: sizes.layers }, (_, layer) => layerNames(layer)), head];
}
