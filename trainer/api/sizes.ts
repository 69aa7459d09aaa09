import { PRESETS, type Preset, type Sizes } from '../model/presets.ts';

/** How large a model with random weights is. */
export interface SizeOptions {
  /** Sizes that the others take the place of. */
  readonly preset?: Preset | undefined;
  /** Numbers a word. */
  readonly embedding?: number | undefined;
  /** Units of all LSTM layers but the last. */
  readonly hidden?: number | undefined;
  readonly layers?: number | undefined;
  /** Largest vocabulary. */
  readonly vocab?: number | undefined;
  /** Words seen fewer times are unknown. */
  readonly minCount?: number | undefined;
}

/** The sizes that were chosen; `vocabulary` is an upper limit. */
export function sizesOf({ preset, embedding, hidden, layers, vocab }: SizeOptions, usual: Preset): Sizes {
  const sizes = PRESETS[preset ?? usual];
  return {
    vocabulary: vocab ?? sizes.vocabulary,
    embedding: embedding ?? sizes.embedding,
    hidden: hidden ?? sizes.hidden,
    layers: layers ?? sizes.layers,
  };
}

/** Options that make a model as large as another one. */
export function asLargeAs({ vocabulary, embedding, hidden, layers }: Sizes): SizeOptions {
  return { embedding, hidden, layers, vocab: vocabulary };
}
