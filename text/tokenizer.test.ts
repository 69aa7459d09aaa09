import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyRules, replaceSpace } from './rules.ts';
import { tokenize, tokenizeFields } from './tokenizer.ts';
import { splitWords } from './wordTokenizer.ts';

/** Pieces that the rules and the word splitter care about, so that random texts hold them next to each other. */
const piece = fc.constantFrom(
  ..."a|b|A|É|ΣΑΣ|9| | | |\n|\u00a0|\u0085|\ufeff|.|,|'|'s|n't|’|-|:|)|(|/|&|#39;|&lt;|<br />|...|www.|.com|@|5|km|$|no |No |it|I".split(
    '|',
  ),
  ...'😀|👍🏽|xxmaj |▁|中|\0|\ud83d|\ude00'.split('|'),
);
const text = fc.oneof(
  fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join('')),
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
);

describe('tokenize', () => {
  it('marks what lower-casing and squeezing would lose', () => {
    expect(tokenize("Sooo GOOD, isn't it?<br />\n10/10!!!! very very very FUNNY")).toEqual(
      "xxbos s xxrep 3 o xxup good , is n't it ? \n\n 10 / 10 xxrep 4 ! xxwrep 3 very xxup funny".split(' '),
    );
  });

  it('writes spaces inside white space as ▁', () => {
    expect(tokenize('a \n b')).toEqual(['xxbos', 'a', '\n▁', 'b']);
  });

  it.each(['', ' ', '\n\t\u00a0'])('makes of %j a document without words', (blank) => {
    expect(tokenize(blank)).toEqual(['xxbos']);
  });

  it('is the rules, the words and the rule after them', () => {
    fc.assert(
      fc.property(text, (document) => {
        expect(tokenize(document)).toEqual(splitWords(applyRules(document)).map(replaceSpace));
      }),
      { numRuns: 3000 },
    );
  });

  it('gives the same tokens again, whatever it has seen in between', () => {
    const first = tokenize("Don't forget :) the U.S.");
    for (let index = 0; index < 200_000; index++) tokenize(`word${index}`);
    expect(tokenize("Don't forget :) the U.S.")).toEqual(first);
  });

  it('takes lone surrogates, NUL and very long words', () => {
    expect(tokenize('\ud83d \ude00 a\0b')).toEqual(['xxbos', '\ud83d', '\ude00', 'a\0b']);
    expect(tokenize('Ab'.repeat(1_000_000))).toHaveLength(2);
    expect(tokenize('AB'.repeat(1_000_000))).toHaveLength(3);
  });
});

describe('tokenizeFields', () => {
  it('numbers the fields', () => {
    expect(tokenizeFields(['Title', '', 'The BODY'])).toEqual('xxbos xxfld 1 xxmaj title xxfld 2 xxfld 3 xxmaj the xxup body'.split(' '));
  });

  it('takes a single field as a document', () => {
    expect(tokenizeFields(['Hello'])).toEqual(tokenize('Hello'));
    expect(tokenizeFields([])).toEqual(['xxbos']);
  });
});
