import fc from 'fast-check';
import { expect, it } from 'vitest';

import { bodyLines } from './bodyLines.ts';

/** The lines of a body that comes in these pieces. */
async function linesOf(pieces: readonly Uint8Array[], maxBytes = 1000): Promise<(string | undefined)[]> {
  const source = pieces.values();
  const lines: (string | undefined)[] = [];
  for await (const { number, bytes } of bodyLines(() => Promise.resolve(source.next().value), maxBytes)) {
    expect(number).toBe(lines.length + 1);
    lines.push(bytes && new TextDecoder().decode(bytes));
  }
  return lines;
}

const bytes = (text: string) => new TextEncoder().encode(text);

it('cuts a body at its line breaks, wherever its pieces end', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: 'grapheme' }).map((line) => line.replaceAll(/[\r\n]/g, ' '))),
      fc.constantFrom('\n', '\r\n'),
      fc.array(fc.nat(60)),
      async (lines, lineBreak, cuts) => {
        const body = bytes(lines.map((line) => line + lineBreak).join(''));
        const ends = [...cuts.map((cut) => Math.min(cut, body.length)), body.length].toSorted((one, other) => one - other);
        const pieces = ends.map((end, index) => body.subarray(ends[index - 1] ?? 0, end));
        expect(await linesOf(pieces)).toEqual(lines);
      },
    ),
  );
});

it('takes a last line without a line break', async () => {
  expect(await linesOf([bytes('a\nb')])).toEqual(['a', 'b']);
  expect(await linesOf([bytes('a\n\n')])).toEqual(['a', '']);
  expect(await linesOf([])).toEqual([]);
});

it('reads past a line that is too long, and keeps nothing of it', async () => {
  expect(await linesOf([bytes('ok\nmuch too'), bytes(' long\nfit'), bytes('s\n')], 5)).toEqual(['ok', undefined, 'fits']);
  expect(await linesOf([bytes('12345\n123456')], 5)).toEqual(['12345', undefined]);
});
