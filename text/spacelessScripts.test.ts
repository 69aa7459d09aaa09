import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { CodePointSet } from './codePoints.ts';
import { detokenize } from './detokenizer.ts';
import { cutAtCharacters, endsSpaceless, EXTENDING, mayHoldSpaceless, SPACELESS_LETTERS, startsSpaceless } from './spacelessScripts.ts';
import { tokenize, tokenizeFields } from './tokenizer.ts';

const SCRIPTS =
  'Han Hiragana Katakana Bopomofo Yi Thai Lao Khmer Myanmar Tibetan Tai_Le New_Tai_Lue Tai_Tham Tai_Viet Ahom Javanese Balinese Tangut Nushu';
const CLASSES = SCRIPTS.split(' ')
  .map((script) => `\\p{scx=${script}}`)
  .join('');

const points = (set: CodePointSet): number[] =>
  Array.from({ length: 0x110000 }, (_, point) => point).filter((point) => (point < 0xd800 || point > 0xdfff) && set.has(point));
const hex = (point: number): string => point.toString(16);

describe("the sets are Unicode's", () => {
  const attached = /[\u0e33\u0eb3\uff9e\uff9f]/; // letters by name, marks by nature
  const letter = new RegExp(`^[[${CLASSES}]&&[\\p{L}\\p{Nl}]]$`, 'v');
  const mark = new RegExp(`^(?:[[${CLASSES}]&&\\p{M}]|[\\p{M}&&\\p{sc=Inherited}]|[\u200c\u200d]|${attached.source})$`, 'v');
  const isOfHanPlane = (point: number): boolean => point >= 0x20000 && point <= 0x3fffd && (point & 0xffff) <= 0xfffd;

  // An engine with newer tables knows more characters than we do, and one with older tables fewer.
  it.runIf(process.versions['unicode'] === '17.0')('letters (needs an engine with Unicode 17)', () => {
    const unicode = (point: number): boolean => {
      const character = String.fromCodePoint(point);
      return isOfHanPlane(point) || (point >= 0xe00 && letter.test(character) && !attached.test(character));
    };
    expect(points({ has: unicode } as CodePointSet).map(hex)).toEqual(points(SPACELESS_LETTERS).map(hex));
  });

  it.runIf(process.versions['unicode'] === '17.0')('marks (needs an engine with Unicode 17)', () => {
    const unicode = { has: (point: number) => mark.test(String.fromCodePoint(point)) } as CodePointSet;
    expect(points(unicode).map(hex)).toEqual(points(EXTENDING).map(hex));
  });

  it('no letter of a script with spaces is among them', () => {
    const others = points(SPACELESS_LETTERS)
      .map((point) => String.fromCodePoint(point))
      .filter((character) =>
        /[\p{sc=Latin}\p{sc=Cyrillic}\p{sc=Greek}\p{sc=Arabic}\p{sc=Hebrew}\p{sc=Devanagari}\p{sc=Hangul}]/u.test(character),
      );
    expect(others).toEqual([]);
  });
});

const cut = (text: string): string => (cutAtCharacters(text) ?? [{ text }]).map((piece) => piece.text).join('|');

describe('cutAtCharacters', () => {
  it.each([
    ['Chinese', '我爱你，中国。', '我|爱|你|，|中|国|。'],
    ['rare Han characters', '𠮷野家〇々', '𠮷|野|家|〇|々'],
    ['a variant of a Han character', '葛\u{e0100}城', '葛\u{e0100}|城'],
    ['Japanese', 'スーパーでｶﾞﾑ', 'ス|ー|パ|ー|で|ｶﾞ|ﾑ'],
    ['kana with a mark apart', 'か\u3099く', 'か\u3099|く'],
    ['Thai', 'น้ำดื่มที่นี่', 'น้ำ|ดื่|ม|ที่|นี่'],
    ['Lao', 'ນ້ຳ', 'ນ້ຳ'],
    ['Khmer', 'ខ្ញុំស្រឡាញ់', 'ខ្ញុំ|ស្រ|ឡា|ញ់'],
    ['Myanmar', 'မြန်မာဘာသာစကား', 'မြ|န်|မာ|ဘာ|သာ|စ|ကား'],
    ['Tibetan', 'བོད་སྐད།', 'བོ|ད|་|སྐ|ད|།'],
    ['words between', '我用iPhone和5km', '我|用|iPhone|和|5km'],
    ['emoji between', '好👨‍👩‍👧👍🏽的', '好|👨‍👩‍👧👍🏽|的'],
    ['a mark without a letter', '\u0e31ก', '\u0e31|ก'],
    ['numbers of the script', 'ปี๒๕๖๗', 'ปี|๒๕๖๗'],
  ])('%s', (_, text, expected) => {
    expect(cut(text)).toBe(expected);
  });

  it.each(['Straße', 'İstanbul', 'Привет', 'Ελλάδα', 'שלום', 'كتاب', 'हिन्दी', '한국어', '😀👍🏽', 'a\u0301\u200d', '\ud83d', '。', '๒'])(
    'leaves %s alone',
    (text) => {
      expect(cutAtCharacters(text)).toBeUndefined();
    },
  );

  const letters = fc.constantFrom(...'中𠮷かカーｶ一กเ', 'က', 'ខ', 'བ', 'ກ', 'ꦏ');
  const marks = fc.constantFrom(
    '\u3099',
    'ﾞ',
    'ั',
    '่',
    'ำ',
    '\u1039',
    '\u17d2',
    '\u102d',
    '\u0f71',
    '\ufe00',
    '\u200d',
    '\u0301',
    '\ua9c0',
    'ຳ',
  );
  const others = fc.constantFrom('a', 'É', '5', '，', '👍🏽', '👨‍👩‍👧', '한', '\ud800');
  const text = fc.array(fc.oneof(letters, marks, others), { maxLength: 12 }).map((parts) => parts.join(''));

  it('loses nothing', () => {
    fc.assert(
      fc.property(text, (whole) => {
        expect((cutAtCharacters(whole) ?? [{ text: whole }]).map((piece) => piece.text).join('')).toBe(whole);
      }),
    );
  });

  it('never cuts what a reader takes for one character', () => {
    const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' });
    fc.assert(
      fc.property(text, (whole) => {
        const borders = new Set([...segmenter.segment(whole)].map(({ index }) => index));
        let position = 0;
        for (const piece of cutAtCharacters(whole) ?? []) {
          expect(borders).toContain(position);
          position += piece.text.length;
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('takes time in proportion to the text', () => {
    const start = performance.now();
    for (const unit of ['中', 'ก่', '\u3099', 'က္']) cutAtCharacters(`中${unit.repeat(300_000)}`);
    cutAtCharacters(`a${'\u0e31'.repeat(300_000)}`);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it('agrees with the quick look and with the looks at both ends', () => {
    fc.assert(
      fc.property(text, (whole) => {
        const pieces = cutAtCharacters(whole);
        if (pieces !== undefined) expect(mayHoldSpaceless(whole)).toBe(true);
        expect(startsSpaceless(whole)).toBe(pieces?.[0]?.isCharacter ?? false);
        if (pieces?.at(-1)?.isCharacter) expect(endsSpaceless(whole)).toBe(true);
        if (pieces === undefined) expect(endsSpaceless(whole)).toBe(false);
      }),
    );
    for (const point of points(SPACELESS_LETTERS)) expect(mayHoldSpaceless(String.fromCodePoint(point)), hex(point)).toBe(true);
  });
});

describe('tokens of scripts without spaces', () => {
  it.each([
    ['我爱你，中国。', '我 爱 你 ， 中 国 。'],
    ['「東京」は Tokyo です！', '「 東 京 」 は ▁ xxmaj tokyo ▁ で す ！'],
    ['สวัสดีครับ ผมชื่อจอห์น', 'ส วั ส ดี ค รั บ ▁ ผ ม ชื่ อ จ อ ห์ น'],
    ['我用iPhone和NASA的API', '我 用 iphone 和 xxup nasa 的 xxup api'],
    ['哈哈哈哈好', 'xxrep 4 哈 好'],
    ['男/女', '男 / 女'],
    ['2024年5月', '2024 年 5 月'],
    ['看example.com吧', '看 example.com 吧'],
  ])('%s', (text, expected) => {
    expect(tokenize(text).join(' ')).toBe(`xxbos ${expected}`);
  });

  it('marks no space that the rules put in', () => {
    expect(tokenizeFields(['标题', '正文 了']).join(' ')).toBe('xxbos xxfld 1 标 题 xxfld 2 正 文 ▁ 了');
    expect(tokenize('好...吗').join(' ')).toBe('xxbos 好 … 吗');
  });

  it('marks single spaces between other characters alone', () => {
    expect(tokenize(' 中 \n文  字 ')).toEqual(['xxbos', '中', '\n', '文', '字']);
  });
});

describe('detokenize gives back', () => {
  it.each([
    '我爱你，中国。你呢？“很好”，他说。',
    '今日は天気がいいので、本を読んでいます。「東京」は（とても）大きい！',
    'สวัสดีครับ ผมชื่อจอห์น อายุ 25 ปี',
    'ຂ້ອຍຮັກເຈົ້າ ແລະ ລາວ',
    'ខ្ញុំស្រឡាញ់ភាសាខ្មែរ។ អ្នកទេ?',
    'ကျွန်တော် မြန်မာစကား ပြောတတ်တယ်။',
    'བོད་སྐད་ནི་ཡག་པོ་རེད།',
    '我用iPhone和 Android 看NASA的app，哈哈哈哈。',
    '男/女 50% 的人：2024年5月。',
    'スーパー・マーケット 100円',
  ])('%s', (text) => {
    const tokens = tokenize(text);
    expect(detokenize(tokens).toLowerCase()).toBe(text.toLowerCase());
    expect(tokenize(detokenize(tokens))).toEqual(tokens);
  });

  it('any text of characters, words and spaces', () => {
    const piece = fc.constantFrom('中', '文', 'か', 'ー', 'ก่', 'น้ำ', 'ខ្ញុំ', '𠮷', 'word', 'two', '，', '。', ' ');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (parts) => {
        const text = parts
          .filter((part, index) => !(/^[a-z ]/.test(part) && /^[a-z ]/.test(parts[index - 1] ?? ' ')))
          .join('')
          .trim();
        const isPlain = !/[，。] [，。a-z]|[a-z] [，。]/.test(text); // wide punctuation hides the space beside it
        if (isPlain) expect(detokenize(tokenize(text))).toBe(text);
      }),
      { numRuns: 2000 },
    );
  });
});
