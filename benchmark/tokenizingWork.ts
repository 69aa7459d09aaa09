import { mulberry32, reviewLengths } from './workload.ts';

/** The same work for every contender, as plain JSON. */
export interface TokenizingWork {
  /** A file with a JSON string a line, each a document. */
  readonly documents: string;
  /** Threads, or processes, a contender may use. */
  readonly threads: number;
}

/** Different words that generated texts draw from. */
const WORDS = 100_000;

const SYLLABLES = ['ba', 'co', 'di', 'fe', 'ga', 'lo', 'mi', 'nu', 'pe', 'ra', 'so', 'ti', 've', 'wa', 'zo', 'lan'];

/** Behind a word, one time in so many. */
const PUNCTUATION: readonly (readonly [after: string, oneIn: number])[] = [
  [',', 20],
  ["n't", 60],
  ["'s", 60],
  [' (or so)', 200],
  ['...', 200],
  [' 7/10', 300],
  ['<br /><br />', 150],
  ['!!!', 300],
  ['-like', 150],
];

/**
 * Texts for whoever has none at hand: as long as film reviews, made-up words as unevenly frequent as words are (Zipf's law), sentences, and
 * now and then what makes work for a tokenizer. The same in every run.
 */
export function generatedReviews(count: number): string[] {
  const random = mulberry32(2);
  const word = (): string => generatedWord(Math.floor(WORDS ** random()));
  const sentence = (words: number): string => {
    const text = Array.from(
      { length: words },
      () =>
        word() +
        PUNCTUATION.filter(([, oneIn]) => random() * oneIn < 1)
          .map(([after]) => after)
          .join(''),
    ).join(' ');
    return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
  };
  return reviewLengths(count).map((tokens) => {
    const sentences = Math.max(1, Math.round(tokens / 20));
    return Array.from({ length: sentences }, () => sentence(8 + Math.floor(16 * random()))).join(' ');
  });
}

/** The made-up word of a rank, 1 for the most frequent one. */
export function generatedWord(rank: number): string {
  return Array.from(rank.toString(16), (digit) => SYLLABLES[parseInt(digit, 16)]).join('');
}

/** So many of some items, evenly spaced; all, where there are no more. */
export function sampleOf<Item>(items: readonly Item[], count: number): Item[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, index) => items[Math.floor(((index + 0.5) * items.length) / count)] as Item);
}
