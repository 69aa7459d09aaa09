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
    'Geht’s dir gut? „Ja“, sagte sie: „5 km zum 1. Mai.“ Die E-Mail-Adresse, „wirklich”!',
    'L’été dernier, j’ai vu «Amélie»: c’était génial!',
    'Zażółć gęślą jaźń; ŁÓDŹ to duże miasto.',
    'Σήμερα ο καιρός είναι καλός. Ο ΟΔΥΣΣΕΑΣ ΔΙΑΒΑΖΕΙ; «ΝΑΙ».',
    'الطقس جميل اليوم، وأنا أقرأ كتابا عن المدن الكبيرة؛ هل تقرأ؟',
    'היום מזג האוויר יפה, ואני קורא ספר: ארה״ב.',
    'من کتاب می‌خوانم و خوشحالم.',
    'आज मौसम अच्छा है। मैं किताब पढ़ रहा हूँ।',
    '오늘은 날씨가 좋아서 책을 읽고 있습니다. "서울"은 큰 도시입니다!',
    'Hôm nay trời đẹp và tôi đang đọc một cuốn sách.',
    'cafe\u0301, e\u0301te\u0301',
    'Great 👍🏽 👨‍👩‍👧 ❤️ 🇩🇪 🇫🇷 1️⃣ 🏳️‍🌈!',
  ])('gives back %j', (text) => {
    expect(detokenize(tokenize(text)).toLowerCase()).toBe(text.toLowerCase());
  });

  it('gives back case', () => {
    const text = "Hello NASA, I am Mr. Smith and I DON'T SHOUT.";
    expect(detokenize(tokenize(text))).toBe(text);
  });

  it.each([
    ['STRAßE', 'xxup straße'], // ß in capitals would be SS, and come back as ss
    ['DİKKAT', 'xxup di̇kkat'],
    ['Straße', 'xxmaj straße'],
    ['ÉTÉ', 'xxup été'],
    ['ﬁne', 'xxmaj ﬁne'],
  ])('writes capitals that lead back to the word: %s', (text, tokens) => {
    expect(detokenize(tokens.split(' '))).toBe(text);
    expect(detokenize(tokens.split(' ')).toLowerCase()).toBe(tokens.split(' ')[1]);
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
