import {
  BUNDLE_FILE,
  BUNDLE_SCHEMA_VERSION,
  bundleChecksumText,
  layerSizes,
  type Bundle,
  type BundleMember,
  type ModelSizes,
  sha256Hex,
} from '../../export/bundle.ts';
import { buildChunkStep } from '../../export/graph/chunkStep.ts';
import type { ClassifierWeights, HeadBlock } from '../../export/graph/classifierWeights.ts';
import { SPECIAL_TOKENS } from '../../text/specialTokens.ts';
import { TOKENIZER_VERSION } from '../../text/tokenizer.ts';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const LABELS = ['negative', 'positive'];
const HEAD_HIDDEN = 50;
const CHUNK_LENGTH = 70;

/**
 * Writes a bundle with random weights, as large as a real one and as fast, for it is the sizes that decide the speed. It was compared
 * with no trainer: it is for measuring alone.
 */
export async function writeRandomBundle(folder: string, name: string, sizes: ModelSizes): Promise<void> {
  const { graph, shards } = buildChunkStep(randomWeights(sizes), {
    producer: ['ulmfit benchmark', '1'],
    metadata: {},
    answer: 'Random weights, for measuring.',
    direction: 'forward',
    filePrefix: 'forward-',
  });
  const member: BundleMember = {
    direction: 'forward',
    sizes,
    chunkLength: CHUNK_LENGTH,
    graph: 'forward.onnx',
    shards: [...shards.keys()],
    vocabulary: 'vocabulary.json',
  };
  const vocabulary = new TextEncoder().encode(JSON.stringify(vocabularyOf(sizes.vocabulary)));
  const files = new Map([[member.graph, graph], ...shards, [member.vocabulary, vocabulary]]);
  await mkdir(folder, { recursive: true });
  const checksums: Record<string, string> = {};
  for (const [file, bytes] of files) {
    await writeFile(join(folder, file), bytes);
    checksums[file] = await sha256Hex(Uint8Array.from(bytes));
  }
  const bundle: Bundle = {
    schemaVersion: BUNDLE_SCHEMA_VERSION,
    name,
    version: 'random',
    task: 'singleLabel',
    labels: LABELS,
    tokenizerVersion: TOKENIZER_VERSION,
    precision: 'fp32',
    members: [member],
    parity: { documents: 1, maxProbabilityDifference: 0, labelDisagreements: 0 },
    created: new Date().toISOString(),
    producer: 'ulmfit benchmark',
    checksums,
  };
  const checksum = await sha256Hex(bundleChecksumText(bundle));
  await writeFile(join(folder, BUNDLE_FILE), JSON.stringify({ ...bundle, checksums: { ...checksums, [BUNDLE_FILE]: checksum } }));
}

/** A text of so many words, all of which the vocabulary has. */
export function randomText(words: number, seed: number): string {
  const random = randomNumbers(seed);
  return Array.from({ length: words }, () => word(Math.floor(random() * 5_000))).join(' ');
}

function vocabularyOf(size: number): string[] {
  return [...SPECIAL_TOKENS, ...Array.from({ length: size - SPECIAL_TOKENS.length }, (_, index) => word(index))];
}

/** A made-up word that the tokenizer leaves whole: consonants and vowels in turns. */
function word(index: number): string {
  const syllable = (value: number) => `${'bdfgklmnprstvz'[value % 14]}${'aeiou'[Math.floor(value / 14) % 5]}`;
  return [index, Math.floor(index / 70), Math.floor(index / 4900)].map(syllable).join('');
}

function randomWeights(sizes: ModelSizes): ClassifierWeights {
  const random = randomNumbers(1);
  const numbers = (length: number, range: number) => Float32Array.from({ length }, () => range * (2 * random() - 1));
  const block = (inputSize: number, outputSize: number): HeadBlock => ({
    inputSize,
    outputSize,
    mean: numbers(inputSize, 0.1),
    weight: numbers(inputSize * outputSize, 0.2),
    bias: numbers(outputSize, 0.2),
  });
  let inputSize = sizes.embedding;
  const layers = layerSizes(sizes).map((hiddenSize) => {
    const range = 2 / Math.sqrt(hiddenSize);
    const layer = {
      inputSize,
      hiddenSize,
      inputWeights: numbers(4 * hiddenSize * inputSize, range),
      recurrentWeights: numbers(4 * hiddenSize * hiddenSize, range),
      biases: numbers(8 * hiddenSize, 0.2).fill(0, 4 * hiddenSize),
    };
    inputSize = hiddenSize;
    return layer;
  });
  return {
    sizes,
    classes: LABELS.length,
    embedding: numbers(sizes.vocabulary * sizes.embedding, 0.5),
    layers,
    head: [block(3 * sizes.embedding, HEAD_HIDDEN), block(HEAD_HIDDEN, LABELS.length)],
  };
}

/** Numbers in [0, 1) from a seed (mulberry32's construction: a counter, mixed). */
function randomNumbers(seed: number): () => number {
  let counter = seed;
  return () => {
    counter = (counter + 0x6d2b79f5) | 0;
    let mixed = Math.imul(counter ^ (counter >>> 15), counter | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
