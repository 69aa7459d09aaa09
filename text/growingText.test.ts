import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { safeCut, tokenizePart } from './growingText.ts';
import { tokenize } from './tokenizer.ts';

/** The pieces of a text, one after the other, as somebody reads them who keeps only what is not certain yet. */
class GrowingTokens {
  readonly certain: string[] = [];
  rest = '';
  #isFirst = true;

  add(piece: string): void {
    this.rest += piece;
    const cut = safeCut(this.rest);
    if (cut === 0) return;
    this.certain.push(...tokenizePart(this.rest.slice(0, cut), { isFirst: this.#isFirst }));
    this.rest = this.rest.slice(cut);
    this.#isFirst = false;
  }

  soFar(): string[] {
    return [...this.certain, ...tokenizePart(this.rest, { isFirst: this.#isFirst })];
  }
}

/** The tokens of all text so far, after every piece: read piece by piece. */
function growing(pieces: readonly string[]): string[][] {
  const tokens = new GrowingTokens();
  return pieces.map((piece) => {
    tokens.add(piece);
    return tokens.soFar();
  });
}

/** The same, read at once. */
function atOnce(pieces: readonly string[]): string[][] {
  return pieces.map((_, index) => tokenize(pieces.slice(0, index + 1).join('')));
}

/** Everything in which a rule looks beyond a word. */
const NASTY = [
  [' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', '  ', '\n', '\t', '\u00a0', ' \n ', '\r\n', '\u2028', ' @.@ ', ' @-@ ', '<br />', 'xxfld 1 '],
  "a b ab film film Film FILM and or I isn't 's 3 10 1 am a.m. oooo xxfld xxrep xxbos Mt. w/o ° C. http://a.b/c?d=e U.S.A.".split(' '),
  '. ... , :) :- ) ( / # \\n \\" <br /> @ <unk> - & &amp; amp; &lt &lt; #39; nbsp; &nbsp; &#65 &#32; ; quot; &NewLine;'.split(' '),
  '用 用 我 。 ， 用。 ก ข ิ กข ၐ ္ か が \u3099 ▁ \u200d \ufe0f é e\u0301 ß Ж жук 👍 👍🏽 🇩 \ud842\udfb7 \ud83d \ude00 \u0000'.split(' '),
].flat();

const nastyText = fc.array(fc.constantFrom(...NASTY), { maxLength: 60 }).map((parts) => parts.join(''));
/** Few chunks, mostly apart by single spaces, so that what a rule looks for comes about by chance and often. */
const chunky = (...chunks: readonly string[]) =>
  fc
    .array(fc.tuple(fc.constantFrom(...chunks), fc.constantFrom(' ', ' ', ' ', ' ', ' ', '  ', '\n', '')), { maxLength: 12 })
    .map((parts) => parts.flat().join(''));
const CHUNKY = {
  'repeated words': chunky('uf', 'er', 'er', 'uf,', 'uf/er'),
  'references that become letters or spaces': chunky('uf', 'er', 'er', 'nbsp;uf', '&#117f', 'uf;', '&#32', 'uf\\ner'),
  'fields in a script without spaces': chunky('uf', 'er', 'xxfld', 'xxfld', 'ufxxfld', '1', '2', '用'),
  'characters without spaces between them': chunky('ก', 'ข', 'กข', 'ขก', 'กขค', 'คก', 'ค', 'คคค'),
  'characters and punctuation': chunky('用', '用。', '。我', '我，用', '用!', '用...', '\ud842', '\udfb7', '用\u3099', 'か'),
  'exceptions of several tokens': chunky(
    'a',
    ':',
    ';',
    '-',
    '(',
    ')',
    ':-',
    ')',
    '°',
    'c',
    '.',
    'and',
    '/',
    'or',
    'mt',
    '8',
    '=',
    'o',
    '3',
  ),
};
const cuts = fc.array(fc.nat(), { maxLength: 12 });

function piecesOf(text: string, places: readonly number[]): string[] {
  const ends = [...places.map((place) => place % (text.length + 1)), text.length].sort((one, other) => one - other);
  return ends.map((end, index) => text.slice(ends[index - 1] ?? 0, end));
}

const words = (count: number, list: string): string => {
  const all = list.split(' ');
  return Array.from({ length: count }, (_, index) => all[(index * 7 + (index >> 2)) % all.length]).join(' ');
};

describe('safeCut', () => {
  it.each<readonly [string, fc.Arbitrary<string>, number]>([
    ['everything', nastyText, 2000],
    ['any characters', fc.string({ unit: 'binary', maxLength: 80 }), 500],
    ...Object.entries(CHUNKY).map(([name, texts]) => [name, texts, 2000] as const),
  ])('gives the tokens of the whole text, wherever it was cut into pieces: %s', (_what, texts, numRuns) => {
    fc.assert(
      fc.property(texts, cuts, (text, places) => {
        const pieces = piecesOf(text, places);
        expect(growing(pieces)).toEqual(atOnce(pieces));
      }),
      { numRuns, seed: 1 },
    );
  });

  it.each([
    'So very very very good, the BEST film of the year... isn&#39;t it? :) :-) He was 20km from St. Moritz at 10 a.m. and&nbsp;then some.',
    '这部电影非常好看。演员的表演也很出色，我很喜欢 iPhone 手机！ 我 我 我 用。用 用',
    'ภาพยนตร์เรื่องนี้ สนุกมาก นักแสดง เล่นดี ดี ดี ดี มากมาก ฉันชอบ จริงๆ ครับ',
    'xxfld 1 我 xxfld 2 film xxfld 3 用 it',
  ])('gives the tokens of the whole text when it comes unit by unit: %s', (text) => {
    expect(growing(text.split(''))).toEqual(atOnce(text.split('')));
  });

  it.each([
    ['a repetition that hides the next one', 'uf uf uf er er er er x'],
    ['a reference that becomes a word of a repetition', 'uf uf &#117f uf er er er x'],
    ['a reference that becomes a space in a repetition', 'so uf nbsp;uf uf er'],
    ['a repeated character that becomes a word of a repetition', 'so e000 0 0 x'],
    ['an exception that runs over a space', 'so -( 3 :-( 3 o and'],
    ['half of a character', '用\ud842\udfb7\n\ud842\udfb7\n\ud842\udfb7\n用'],
    ['a consonant below another', 'ခ ကက္ဂ ဃ x'],
    ['a mark on a consonant', 'ข กกิก ค x'],
  ])('is not misled by %s', (_what, text) => {
    for (const pieces of [text.split(''), [text, ' ', 'more']]) expect(growing(pieces)).toEqual(atOnce(pieces));
  });

  it.each([
    ['English', words(400, "the film was good, but I didn't like its story; boring & long. He said: watch 3.5 more"), 100],
    ['Russian', words(400, 'этот фильм был хорош, но мне не понравился сюжет. смотрите'), 60],
    ['Hindi', words(400, 'यह फिल्म अच्छी थी लेकिन मुझे इसकी कहानी पसंद नहीं आई।'), 60],
    ['Chinese', '这部电影非常好看，我很喜欢。演员的表演也很出色！'.repeat(40), 60],
    ['Japanese', 'この映画はとても面白かったです。また見たいと思います、本当に。'.repeat(40), 60],
    ['Thai', words(400, 'ภาพยนตร์เรื่องนี้ สนุกมาก นักแสดง เล่นดี มากมาก ฉันชอบ จริงๆ ครับ'), 120],
    ['Tibetan', 'བཀྲ་ཤིས་བདེ་ལེགས་ '.repeat(100), 60],
  ])('holds little back of a text in %s', (_language, text, most) => {
    const tokens = new GrowingTokens();
    let longest = 0;
    for (let start = 0; start < text.length; start += 20) {
      tokens.add(text.slice(start, start + 20));
      longest = Math.max(longest, tokens.rest.length);
    }
    expect(tokens.soFar()).toEqual(tokenize(text));
    expect(longest).toBeLessThan(most);
  });

  it('takes time that grows with the text, not with its square', () => {
    for (const text of ['x'.repeat(2_000_000), 'a '.repeat(1_000_000), '用'.repeat(2_000_000), '<'.repeat(2_000_000)]) {
      expect(safeCut(text)).toBe(0);
    }
  });
});
