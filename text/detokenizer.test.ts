import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { detokenize } from './detokenizer.ts';
import { SPECIAL_TOKENS } from './specialTokens.ts';
import { tokenize, tokenizeFields } from './tokenizer.ts';

describe('detokenize', () => {
  it.each([
    "Don't panic: it's fine, isn't it?",
    'The "worst" film (of 1999) by Dr. Who cost $5.50 or 3%...'.replace('...', '…'),
    'WELL-KNOWN people say YES! 7/10 and #1.',
    'Sooooo good!!!! No no no no, ha ha ha.',
    'A line\nand another\n\nand a 1990–95 "quote" you cannot forget.'.replace('A line', 'One line'),
    'The boys’ toys aren’t “theirs”; I dont know.',
    'See example.org or e-mail someone@example.org.',
    'Ещё один текст: «да», 5 км.',
  ])('gives back %j', (text) => {
    expect(detokenize(tokenize(text)).toLowerCase()).toBe(text.toLowerCase());
  });

  it('gives back case', () => {
    const text = "Hello NASA, I am Mr. Smith and I DON'T SHOUT.";
    expect(detokenize(tokenize(text))).toBe(text);
  });

  it('gives each field a line', () => {
    expect(detokenize(tokenizeFields(['A title', 'The text.']))).toBe('a title\nThe text.');
  });

  it('drops padding and marks without what they announce', () => {
    expect(detokenize(['xxpad', 'xxbos', 'xxmaj', 'xxup', 'hi', 'xxrep', '9999999', '!', 'xxeos', 'xxmaj'])).toBe('HI');
    expect(detokenize(['a', 'xxwrep', 'many', 'b', 'c', 'xxrep'])).toBe('a c');
    expect(detokenize(['the', 'xxunk', '.'])).toBe('the xxunk.');
    expect(detokenize([])).toBe('');
  });

  it('never throws', () => {
    const token = fc.oneof(fc.constantFrom(...SPECIAL_TOKENS, '3', '"', "'", '-', '▁', '\n'), fc.string({ unit: 'binary' }));
    fc.assert(
      fc.property(fc.array(token), (tokens) => {
        expect(typeof detokenize(tokens)).toBe('string');
      }),
    );
  });
});
