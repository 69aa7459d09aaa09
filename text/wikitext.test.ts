import { expect, it } from 'vitest';
import { tokenize } from './tokenizer.ts';
import { cleanWikitext } from './wikitext.ts';

it('puts numbers and compounds together', () => {
  expect(cleanWikitext(' = Valkyria = \n 2 @,@ 000 @,@ 000 well @-@ known men , 3 @.@ 5 % @-@ like')).toBe(
    ' = Valkyria = \n 2,000,000 well-known men , 3.5 %-like',
  );
});

it('leaves marks alone that stand elsewhere', () => {
  expect(cleanWikitext('a@-@b @-@')).toBe('a@-@b @-@');
});

it('makes <unk> the unknown word', () => {
  expect(tokenize(cleanWikitext('the <unk> , "<unk>"'))).toEqual(['xxbos', 'the', 'xxunk', ',', '"', 'xxunk', '"']);
});
