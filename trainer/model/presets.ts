/** The sizes that decide every shape in a model. */
export interface Sizes {
  /** Rows of the embedding, special tokens included. */
  readonly vocabulary: number;
  /** Numbers per word; also the width of the last LSTM layer, so that the decoder can share the embedding. */
  readonly embedding: number;
  /** Units of every LSTM layer but the last. */
  readonly hidden: number;
  /** LSTM layers. */
  readonly layers: number;
}

/**
 * Ready-made sizes. `base` is the paper's model (Howard & Ruder 2018, section 4.1: 400 / 1150 / 3), with fastai's 1152 units,
 * a multiple of 8. `small` is ours, for CPUs and the edge.
 */
export const PRESETS = {
  base: { vocabulary: 60_000, embedding: 400, hidden: 1152, layers: 3 },
  small: { vocabulary: 16_000, embedding: 256, hidden: 512, layers: 3 },
} as const satisfies Record<string, Sizes>;

export type Preset = keyof typeof PRESETS;

/** Width of LSTM layer `layer` (0 is the first): the last one is as wide as the embedding. */
export function layerWidth(sizes: Sizes, layer: number): number {
  return layer === sizes.layers - 1 ? sizes.embedding : sizes.hidden;
}

/** Width of what LSTM layer `layer` reads. */
export function layerInputWidth(sizes: Sizes, layer: number): number {
  return layer === 0 ? sizes.embedding : layerWidth(sizes, layer - 1);
}
