import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SPECIAL_TOKENS } from '../text/specialTokens.ts';
import { tokenize } from '../text/tokenizer.ts';
import { Vocabulary } from '../text/vocabulary.ts';
import { PRESETS, type Preset, type Sizes } from '../trainer/model/presets.ts';
import { generatedReviews, generatedWord } from './tokenizingWork.ts';
import { VOCABULARY } from './workload.ts';

/** The same work for every contender, as plain JSON. */
export interface ServingWork {
  readonly sizes: Sizes;
  /** A file with a JSON array of token ids a line, each a document. */
  readonly documents: string;
  /** What each step classifies: the lines of its documents. */
  readonly passes: readonly (readonly number[])[];
  /** Tokens of a chunk. */
  readonly chunk: number;
  readonly threads: number;
}

/** The passes of {@link ServingWork}: all reviews, or the one text. */
export const ALL = 0;
export const SINGLE = 1;

/** Tokens of the one text whose latency is measured. */
export const SINGLE_TOKENS = 300;

/** Tokens that one call reads of a document: what models are trained with (Howard & Ruder 2018, section 4.1), and what fastai's classifier reads. */
const CHUNKS = { ours: 70, fastai: 72 } as const;

/** Texts, and what they are as ids of a vocabulary. */
export interface ServingTexts {
  readonly sizes: Sizes;
  readonly vocabulary: Vocabulary;
  /** The reviews, and behind them the one text. */
  readonly texts: readonly string[];
  readonly ids: readonly Int32Array[];
}

/** Reviews and the one text for a model of a preset, the same in every run. */
export function servingTexts(
  preset: Preset,
  documents: number,
  sizes: Sizes = { ...PRESETS[preset], vocabulary: VOCABULARY[preset] },
): ServingTexts {
  const texts = [...generatedReviews(documents), wordsOf(SINGLE_TOKENS - 1)];
  const tokens = texts.map((text) => tokenize(text));
  const vocabulary = vocabularyOf(tokens, sizes.vocabulary);
  return { sizes, vocabulary, texts, ids: tokens.map((one) => vocabulary.encode(one)) };
}

/** Writes the ids for those who get no texts. */
export async function writeWork(
  folder: string,
  { sizes, ids }: ServingTexts,
  threads: number,
): Promise<{ ours: ServingWork; fastai: ServingWork }> {
  const documents = join(folder, 'documents.jsonl');
  await writeFile(documents, ids.map((one) => `${JSON.stringify([...one])}\n`).join(''));
  const passes = [[...ids.keys()].slice(0, -1), [ids.length - 1]];
  const work = { sizes, documents, passes, threads };
  return { ours: { ...work, chunk: CHUNKS.ours }, fastai: { ...work, chunk: CHUNKS.fastai } };
}

/** So many made-up words, each one token. */
export function wordsOf(count: number): string {
  return Array.from({ length: count }, (_, index) => generatedWord(1 + ((index * 37) % 1000))).join(' ');
}

/** The most frequent tokens, and made-up words up to the wanted size where there are fewer. */
function vocabularyOf(documents: readonly (readonly string[])[], size: number): Vocabulary {
  const counts = new Map<string, number>();
  for (const token of documents.flat()) counts.set(token, (counts.get(token) ?? 0) + 1);
  const special = new Set<string>(SPECIAL_TOKENS);
  const frequent = [...counts].toSorted(([, one], [, other]) => other - one).map(([token]) => token);
  const words = Array.from({ length: size }, (_, index) => generatedWord(index + 1));
  const tokens = new Set([...frequent, ...words].filter((token) => !special.has(token)));
  return Vocabulary.fromTokens([...SPECIAL_TOKENS, ...tokens].slice(0, size));
}
