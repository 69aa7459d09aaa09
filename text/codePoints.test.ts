import { describe, expect, it } from 'vitest';
import { CodePointSet, codePointsOf, isWhiteSpace, skipChunk, skipWhiteSpace, stripWhiteSpace, WHITE_SPACE } from './codePoints.ts';

// The code points for which Python 3.11's str.isspace() is true.
const PYTHON_WHITE_SPACE =
  '9 a b c d 1c 1d 1e 1f 20 85 a0 1680 2000 2001 2002 2003 2004 2005 2006 2007 2008 2009 200a 2028 2029 202f 205f 3000'
    .split(' ')
    .map((point) => parseInt(point, 16));

describe("white space is Python's", () => {
  const units = Array.from({ length: 0x10000 }, (_, unit) => unit);

  it('for single units', () => {
    expect(units.filter(isWhiteSpace)).toEqual(PYTHON_WHITE_SPACE);
  });

  it('in regular expressions', () => {
    const pattern = new RegExp(`[${WHITE_SPACE}]`);
    expect(units.filter((unit) => pattern.test(String.fromCharCode(unit)))).toEqual(PYTHON_WHITE_SPACE);
  });

  it('at the ends of a text', () => {
    expect(stripWhiteSpace('\x1c \u0085a b\u3000\n')).toBe('a b');
    expect(stripWhiteSpace('\ufeffa')).toBe('\ufeffa');
    expect(stripWhiteSpace(' \n')).toBe('');
  });

  it('between chunks', () => {
    expect(skipChunk('ab  c', 0)).toBe(2);
    expect(skipWhiteSpace('ab  c', 2)).toBe(4);
    expect(skipChunk('ab', 0)).toBe(2);
    expect(skipWhiteSpace('  ', 0)).toBe(2);
  });
});

describe('CodePointSet', () => {
  const set = new CodePointSet('24 41-43 1f600-1f603');

  it('holds its points and no other', () => {
    const points = [0x23, 0x24, 0x25, 0x40, 0x41, 0x42, 0x43, 0x44, 0x1f5ff, 0x1f600, 0x1f603, 0x1f604, 0x10ffff];
    expect(points.filter((point) => set.has(point))).toEqual([0x24, 0x41, 0x42, 0x43, 0x1f600, 0x1f603]);
  });

  it('is a character class', () => {
    expect('a$BZ😀'.match(new RegExp(`[${set.classSource}]`, 'gu'))).toEqual(['$', 'B', '😀']);
  });

  it('is made of characters in any order', () => {
    const quotes = codePointsOf('”"“');
    expect(['"', '“', '”'].every((quote) => quotes.has(quote.codePointAt(0) ?? 0))).toBe(true);
    expect(quotes.has(0x27)).toBe(false);
  });
});
