import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WHITE_SPACE, WORD } from './codePoints.ts';
import {
  addSpaces,
  applyRules,
  fixHtml,
  lowerCase,
  replaceAllCaps,
  replaceCapitalized,
  replaceRepeatedCharacters,
  replaceRepeatedWords,
  replaceSpace,
  squeezeSpaces,
} from './rules.ts';

// The expected texts are what fastai 2.8.12 returns for the same input.
it.each([
  ['AT&amp;T<br />isn#39;t... &lt;b&gt;', "AT&&T\nisn't … <b>"],
  ['a\\nb \\"quoted\\"', 'a\nb "quoted"'],
  ['&nbsp;|quot;|#146;|#36;5', "& |'|'|$5"],
  ['the <unk> of 3 @.@ 5 well @-@ known', 'the xxunk of 3.5 well-known'],
  ['.......', ' … ….'],
])('fixHtml(%j)', (text, expected) => {
  expect(fixHtml(text)).toBe(expected);
});

describe('replaceRepeatedCharacters', () => {
  it.each([
    ['sooo good!!!! 😀😀😀 \n\n\n', 's xxrep 3 o  good xxrep 4 !   xxrep 3 😀  \n\n\n'],
    ['aabb', 'aabb'],
    ['aaabbb', ' xxrep 3 a  xxrep 3 b '],
    ['AAAaaa', ' xxrep 3 A  xxrep 3 a '],
    ['😀😁😀😁😀😁', '😀😁😀😁😀😁'],
  ])('%j', (text, expected) => {
    expect(replaceRepeatedCharacters(text)).toBe(expected);
  });

  it('counts runs of any length', () => {
    expect(replaceRepeatedCharacters('a'.repeat(20_000_000))).toBe(' xxrep 20000000 a ');
  });
});

describe('replaceRepeatedWords', () => {
  it.each([
    ['a very very very good one', 'a xxwrep 3 very  good one'],
    ['a a a b b b', ' xxwrep 3 a  b b b'],
    ['no no no.', ' xxwrep 3 no .'],
    ['no no nope', 'no no nope'],
    ['no no no nope', ' xxwrep 3 no  nope'],
    ['\nno\tno  no\nx', ' xxwrep 3 no \nx'],
    ['été été été', ' xxwrep 3 été '],
    ['No no no', 'No no no'],
  ])('%j', (text, expected) => {
    expect(replaceRepeatedWords(text)).toBe(expected);
  });

  it("finds what fastai's pattern finds", () => {
    const pattern = `(?:[${WHITE_SPACE}]|^)([${WORD}]+)[${WHITE_SPACE}]+((?:\\1[${WHITE_SPACE}]+)+)\\1([${WHITE_SPACE}]|[^${WORD}]|$)`;
    const byPattern = (text: string): string =>
      text.replace(new RegExp(pattern, 'gu'), (_, word: string, others: string, end: string) => {
        const times = others.split(new RegExp(`[${WHITE_SPACE}]+`)).filter((other) => other !== '').length + 2;
        return ` xxwrep ${times} ${word} ${end}`;
      });
    const part = fc.constantFrom('a', 'b', 'ab', 'é', '😀', '.', "'", ' ', ' ', ' ', '\n', '\u00a0', '  ');
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 30 }).map((parts) => parts.join('')),
        (text) => {
          expect(replaceRepeatedWords(text)).toBe(byPattern(text));
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('takes time in proportion to the text', () => {
    const start = performance.now();
    replaceRepeatedWords('a a b b '.repeat(250_000));
    replaceRepeatedWords('ab'.repeat(1_000_000));
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

it('addSpaces', () => {
  expect(addSpaces('7/10 #1 a\\b')).toBe('7 / 10  # 1 a \\ b');
});

it('squeezeSpaces leaves other white space alone', () => {
  expect(squeezeSpaces('a   b \n\n c\u00a0\u00a0d')).toBe('a b \n\n c\u00a0\u00a0d');
});

it.each([
  ['I SHOUT! ÉA A1 X-ray', 'i xxup shout! ÉA xxup a1 X-ray'],
  ['NASA\u00a0USA', 'xxup nasa\u00a0xxup usa'],
])('replaceAllCaps(%j)', (text, expected) => {
  expect(replaceAllCaps(text)).toBe(expected);
});

it('replaceCapitalized', () => {
  expect(replaceCapitalized('Hello McFly A B2 Été')).toBe('xxmaj hello McFly a xxmaj b2 Été');
});

it('lowerCase marks the beginning and, if asked, the end', () => {
  expect(lowerCase(' \n ΟΔΟΣ Hi\u00a0')).toBe('xxbos οδος hi');
  expect(lowerCase('Hi', { begin: false, end: true })).toBe('hi xxeos');
});

it('replaceSpace', () => {
  expect(replaceSpace('\n ')).toBe('\n▁');
});

it('applies the rules in order', () => {
  expect(applyRules('GREAT   film<br />10/10!!!')).toBe('xxbos xxup great film\n10 / 10 xxrep 3 !');
});
