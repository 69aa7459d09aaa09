import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LONGEST_EXCEPTION } from './chunkSplitter.ts';
import { englishExceptions } from './englishExceptions.ts';
import { isUrl } from './urls.ts';
import { splitWords } from './wordTokenizer.ts';

// The expected tokens, here apart by spaces, are those of spacy.blank('en') in spaCy 3.8.18.
describe('splitWords', () => {
  it.each([
    ['contractions', "Don't panic (it's fine). cannot gonna dont 'em", "Do n't panic ( it 's fine ) . can not gon na do nt 'em"],
    ['exceptions taken apart', 'fine:) ok :) a.B', 'fine :) ok :) a. B'],
    ['exceptions across a space', 'great:) )', 'great : ) )'],
    ['abbreviations', 'U.S. USA. N.Y.C. end. a.m. 7p.m. 12am', 'U.S. USA . N.Y.C. end . a.m. 7 p.m. 12 am'],
    ['hyphens and operators', 'well-known 5-a 5--a 5-3 5*6 +5 +a 5+', 'well - known 5 - a 5 - -a 5 - 3 5 * 6 +5 + a 5 +'],
    ['slashes and colons', 'a/b a=b a:b 1:2 and/or w/o', 'a / b a = b a : b 1:2 and/or w/o'],
    ['currencies', '£5.50 US$12 10$ 5€', '£ 5.50 US$ 12 10 $ 5 €'],
    ['units', '5km² 3kg x5km kg 50% °C. 20°F.', '5 km² 3 kg x5 km kg 50 % ° C . 20 ° F .'],
    ['ellipses', '...wow.. a…b', '... wow .. a … b'],
    ['quotes', "‘quoted’ “x” rock'n'roll it's:it’s", "‘ quoted ’ “ x ” rock'n'roll it's : it ’s"],
    ['emoji', '😀😀👍🏽', '😀 😀 👍 🏽'],
    ['other scripts', 'Привет, мир! है। שלום. كتاب؛', 'Привет , мир ! है । שלום . كتاب ؛'],
    [
      'addresses',
      '(www.example.org/a?b=c) someone@example.org. lower.Upper',
      '( www.example.org/a?b=c ) someone@example.org . lower . Upper',
    ],
  ])('%s', (_, text, expected) => {
    expect(splitWords(text).join(' ')).toBe(expected);
  });

  it('makes each character of a script without spaces a word, unlike spaCy', () => {
    expect(splitWords('中文，日本 5km走る:)').join(' ')).toBe('中 文 ， 日 本 5 km 走 る :)');
  });

  it('keeps white space that is more than a space', () => {
    expect(splitWords(' a  b \n c\t\td\u00a0e \n')).toEqual([' ', 'a', ' ', 'b', '\n ', 'c', '\t\t', 'd', '\u00a0', 'e', '\n']);
    expect(splitWords('')).toEqual([]);
  });

  it('loses nothing but single spaces', () => {
    const withoutSpaces = (text: string): string => text.replaceAll(' ', '');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(withoutSpaces(splitWords(text).join(''))).toBe(withoutSpaces(text));
      }),
      { numRuns: 2000 },
    );
  });

  it('takes time in proportion to the text', () => {
    const start = performance.now();
    for (const unit of ['()', 'a.@', 'a.b@', 'ab://', "i'd", '([{', ':)-', '5km']) splitWords(unit.repeat(100_000));
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

it('knows how long an exception can be', () => {
  const longest = Math.max(...[...englishExceptions().keys()].map((text) => text.length));
  expect(longest).toBeLessThanOrEqual(LONGEST_EXCEPTION);
});

// What spaCy's URL pattern says.
describe('isUrl', () => {
  it.each([
    'www.example.org/a?b=c',
    'mailto:a@b.com',
    'ftp://a.b.cd:21/x',
    'user:pw@host.org',
    'http://例え.jp',
    'www.x_y.com',
    'file.tar.gz',
    '8.8.8.8',
    '8.8.8.8:53/dns#x',
  ])('%s is one', (text) => {
    expect(isUrl(text)).toBe(true);
  });

  it.each([
    'lower.Upper',
    'a.b1',
    '-a.com',
    '10.0.0.1',
    '127.0.0.1',
    '192.168.1.1',
    '1.2.3',
    'http://localhost',
    '@a.com',
    'a.com:8',
    'a..com',
    '',
  ])('%s is none', (text) => {
    expect(isUrl(text)).toBe(false);
  });
});

it('splits millions of characters without a space', () => {
  for (const piece of ['a.', 'http://', "'s", 'a-']) expect(splitWords(piece.repeat(1e6)).length).toBeGreaterThan(0);
});
