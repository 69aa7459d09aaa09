import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { detokenize, tokenize, tokenizeFields } from './tokenizer.ts';
import { documentWords } from './documentWords.ts';

const wordsOf = (...fields: string[]) => documentWords(fields).words.map(({ text }) => text);
/** Each word with its tokens. */
const tokensOf = (...fields: string[]) => {
  const tokens = tokenizeFields(fields);
  return documentWords(fields, tokens).words.map(({ text, firstToken, endToken }) => [text, tokens.slice(firstToken, endToken).join(' ')]);
};

describe('documentWords', () => {
  it('finds words and punctuation as they stand in the text', () => {
    const text = 'A fine,  FINE film\nby McFly.';
    const { text: shown, words } = documentWords([text]);
    expect(shown).toBe(text);
    expect(words.map(({ text: word }) => word)).toEqual(['A', 'fine', ',', 'FINE', 'film', 'by', 'McFly', '.']);
    for (const { text: word, start, end } of words) expect(text.slice(start, end)).toBe(word);
  });

  it('keeps the marks of case and repetition with their words', () => {
    expect(tokensOf('The plot is SO bad!!! It is very very very dull.')).toEqual([
      ['The', 'xxmaj the'],
      ['plot', 'plot'],
      ['is', 'is'],
      ['SO', 'xxup so'],
      ['bad', 'bad'],
      ['!!!', 'xxrep 3 !'],
      ['It', 'xxmaj it'],
      ['is', 'is'],
      ['very very very', 'xxwrep 3 very'],
      ['dull', 'dull'],
      ['.', '.'],
    ]);
  });

  it('puts together what the tokenizer cuts', () => {
    expect(tokensOf("I can't say it wasn't sooo good, we’re gonna see the actor's 10km run.")).toEqual([
      ['I', 'i'],
      ["can't", "ca n't"],
      ['say', 'say'],
      ['it', 'it'],
      ["wasn't", "was n't"],
      ['sooo', 's xxrep 3 o'],
      ['good', 'good'],
      [',', ','],
      ['we’re', 'we ’re'],
      ['gonna', 'gon na'],
      ['see', 'see'],
      ['the', 'the'],
      ["actor's", "actor 's"],
      ['10km', '10 km'],
      ['run', 'run'],
      ['.', '.'],
    ]);
  });

  it('leaves words apart that only a sign joins', () => {
    expect(wordsOf('well-known and/or "quoted"')).toEqual(['well', '-', 'known', 'and', '/', 'or', '"', 'quoted', '"']);
  });

  it('resolves HTML, as the model gets it', () => {
    const { text, words } = documentWords(['Tom &amp; Jerry<br />fun...']);
    expect(text).toBe('Tom && Jerry\nfun …'); // fastai's rule takes "amp;" for "&", and so the sign stands twice
    expect(words.map(({ text: word }) => word).slice(-2)).toEqual(['fun', '…']);
  });

  it('reads several fields one after the other, without the marks of the fields', () => {
    expect(tokensOf('A Title', 'the body')).toEqual([
      ['A', 'a'],
      ['Title', 'xxmaj title'],
      ['the', 'the'],
      ['body', 'body'],
    ]);
    expect(documentWords(['A Title', 'the body']).text).toBe('A Title\n\nthe body');
  });

  it('has no words where there are none', () => {
    expect(documentWords([''])).toEqual({ text: '', words: [] });
    expect(documentWords([' \n '])).toMatchObject({ words: [] });
  });

  it('shows what the tokens read like where they cannot be found in the text', () => {
    // More repetitions than are written out again.
    const { text, words } = documentWords([`Wow ${'!'.repeat(2000)} good`]);
    expect(text).toBe('Wow good');
    expect(words.map(({ text: word }) => word)).toEqual(['Wow', 'good']);
  });

  it('covers every letter of any text, in order, and every token but marks and white space', () => {
    const parts = fc.constantFrom(
      'Good',
      'BAD',
      "isn't",
      '...',
      '!!!!',
      'a',
      'sooo',
      ' ',
      '\n',
      '/',
      '“so”',
      '3.50$',
      'e.g.',
      'Ümläut',
      '日本',
      '😀',
      'no no no',
      'x@y.de',
      'xxunk',
      '&lt;',
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(parts, fc.constantFrom(' ', '', '  '))), (chosen) => {
        const given = chosen.flat().join('');
        const tokens = tokenize(given);
        const { text, words } = documentWords([given], tokens);
        const letters = (shown: string) => shown.replace(/\s/g, '');
        expect(letters(words.map(({ text: word }) => word).join(''))).toBe(letters(text));
        const covered = new Set(
          words.flatMap(({ firstToken, endToken }) => tokens.slice(firstToken, endToken).map((_, k) => firstToken + k)),
        );
        const left = tokens.filter((_, index) => !covered.has(index));
        expect(detokenize(left).trim()).toBe('');
        for (const [index, word] of words.entries()) {
          expect(word.start).toBeGreaterThanOrEqual(words[index - 1]?.end ?? 0);
          expect(word.firstToken).toBeGreaterThanOrEqual(words[index - 1]?.endToken ?? 1);
          expect(text.slice(word.start, word.end)).toBe(word.text);
        }
      }),
    );
  });
});
