import fc from 'fast-check';
import { expect, test } from 'vitest';

import { splitLines } from './lines.ts';

async function* stream(...chunks: string[]): AsyncGenerator<string> {
  yield* chunks;
}

async function linesOf(...chunks: string[]): Promise<string[]> {
  return (await Array.fromAsync(splitLines(stream(...chunks), 'f'))).map(({ text }) => text);
}

test('cuts at LF and CRLF, wherever the chunks end', async () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'é', ' ', '\r'), maxLength: 6 }).map((line) => line.replace(/\r+$/, ''));
  const breaks = fc.constantFrom('\n', '\r\n');
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(text, breaks)), fc.array(fc.nat(5)), async (lines, lengths) => {
      const whole = lines.map(([line, lineBreak]) => line + lineBreak).join('');
      let start = 0;
      const chunks = lengths.map((length) => whole.slice(start, (start += length)));
      expect(await linesOf(...chunks, whole.slice(start))).toEqual(lines.map(([line]) => line));
    }),
  );
});

test('numbers lines from 1 and gives a last line without a line break', async () => {
  expect(await Array.fromAsync(splitLines(stream('a\n\nb'), 'f'))).toEqual([
    { text: 'a', number: 1 },
    { text: '', number: 2 },
    { text: 'b', number: 3 },
  ]);
});

test('keeps NUL and other line separators inside a line', async () => {
  expect(await linesOf('a\0b\u2028c\n')).toEqual(['a\0b\u2028c']);
});

test('refuses a line too long to hold, and names it', async () => {
  const lines = splitLines(stream('ok\n', 'x'.repeat(8), 'x'.repeat(8)), 'big.jsonl', 10);
  await expect(Array.fromAsync(lines)).rejects.toThrow(
    'big.jsonl:2: the line has more than 10 characters. Break the text into lines of one document each.',
  );
});
