/** The bundles of the tests, see globalSetup.ts. */
export type BundleName = 'usual' | 'pair' | 'labels' | 'number' | 'bounded' | 'eightBits';

const WORDS = 'the film was good but story boring funny best actor love hate you i they watch more time worst plot great'.split(' ');

/** A text without runs of one word, which the tokenizer would fold. */
export function article(words: number, seed = 0): string {
  return Array.from({ length: words }, (_, index) => WORDS[(index * 11 + seed + (index >> 4)) % WORDS.length]).join(' ');
}

/** Texts that both runtimes are asked: one token, around a chunk's borders, many chunks, and what is hard to tokenize. */
export const TEXTS: readonly string[] = [
  'good',
  'The film was not very good!',
  "I don't like the worst plot... Why would ANYONE watch THIS???",
  ...[67, 68, 69, 70, 71, 139, 140, 141, 350].map((words) => article(words, words)),
  article(3000, 5),
  'good \u0000 film, &amp; <br /> 👍🏽 非常好 http://example.com/a?b=c haaaaappy',
];
