import type { Precision } from '../trainer/engine/precision.ts';
import { PRESETS, type Preset, type Sizes } from '../trainer/model/presets.ts';

/** What is trained. */
export type TaskName = 'lm' | 'classifier';

/** On what it is trained. */
export type DeviceName = 'cpu' | 'gpu';

interface CommonWorkload {
  readonly preset: string;
  readonly sizes: Sizes;
  readonly device: DeviceName;
  readonly precision: Precision;
  /** Streams or documents of a step. */
  readonly batch: number;
  /** Tokens of a window or chunk. */
  readonly chunk: number;
  /** Threads a contender may use. */
  readonly threads: number;
}

/** Language-model training on random words: every step is a window of `batch` × `chunk` tokens. */
export interface LanguageModelWorkload extends CommonWorkload {
  readonly task: 'lm';
}

/** Classifier training on documents of random words, every layer unfrozen. */
export interface ClassifierWorkload extends CommonWorkload {
  readonly task: 'classifier';
  /** Last tokens of a document that send gradients. */
  readonly window: number;
  /** Lengths of the documents of each step. */
  readonly documents: readonly (readonly number[])[];
}

/** The same work for every contender, as plain JSON. */
export type Workload = LanguageModelWorkload | ClassifierWorkload;

/** The words of the model where a user names none: fewer than {@link PRESETS}' for the sake of comparability with published figures. */
export const VOCABULARY: Readonly<Record<Preset, number>> = { small: 15_000, base: 30_000 };

const STREAMS: Readonly<Record<Preset, number>> = { small: 64, base: 32 };
const WINDOW = 70;

/** fastai's default `bptt` and `max_len` of a text classifier, 72 and 72 × 20. */
const CHUNK = 72;
const GRADIENT_WINDOW = 1440;
const DOCUMENTS_A_STEP = 32;
/** Batches of an epoch, from which those that are measured are taken. */
const BATCHES_AN_EPOCH = 50;

export interface WorkloadChoice {
  readonly preset: Preset;
  readonly task: TaskName;
  readonly device: DeviceName;
  readonly precision: Precision;
  readonly threads: number;
  /** Steps of a repeat. */
  readonly steps: number;
  readonly vocabulary?: number | undefined;
}

/** The workload of a preset. */
export function presetWorkload({ preset, task, device, precision, threads, steps, vocabulary }: WorkloadChoice): Workload {
  const sizes = { ...PRESETS[preset], vocabulary: vocabulary ?? VOCABULARY[preset] };
  const common = { preset, sizes, device, precision, threads };
  if (task === 'lm') return { ...common, task, batch: STREAMS[preset], chunk: WINDOW };
  const documents = evenlySpaced(reviewLengths(BATCHES_AN_EPOCH * DOCUMENTS_A_STEP), DOCUMENTS_A_STEP, steps);
  return { ...common, task, batch: DOCUMENTS_A_STEP, chunk: CHUNK, window: GRADIENT_WINDOW, documents };
}

/** Tokens of the given steps; padding does not count. */
export function tokensOf(workload: Workload, steps: readonly number[]): number {
  if (workload.task === 'lm') return steps.length * workload.batch * workload.chunk;
  return steps.reduce((sum, step) => sum + (workload.documents[step] ?? []).reduce((tokens, length) => tokens + length, 0), 0);
}

/**
 * Lengths like those of film reviews: lognormal, median 230, sigma 0.65, from 10 to 2,000 tokens (625 reviews of IMDb have median 220
 * and mean 293; these have mean 280). The same in every run: mulberry32 and Box–Muller from a fixed seed.
 */
export function reviewLengths(count: number): number[] {
  const random = mulberry32(1);
  return Array.from({ length: count }, () => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return Math.min(2000, Math.max(10, Math.round(230 * Math.exp(0.65 * normal))));
  });
}

/** Sorts lengths, longest first, cuts them into batches, and takes `count` batches evenly spaced over that order. */
export function evenlySpaced(lengths: readonly number[], batch: number, count: number): number[][] {
  const sorted = lengths.toSorted((a, b) => b - a);
  const batches = Math.floor(sorted.length / batch);
  return Array.from({ length: count }, (_, index) => {
    const first = Math.floor(((index + 0.5) * batches) / count) * batch;
    return sorted.slice(first, first + batch);
  });
}

/** Random numbers from 0 to below 1 that depend on the seed alone. */
export function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}
