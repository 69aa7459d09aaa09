import fc from 'fast-check';
import { expect, test } from 'vitest';

import { UserError } from '../../text/errors.ts';
import { decodeUtf8 } from './utf8.ts';

/** Hands out bytes in pieces of the given lengths, then the rest. */
async function* inPieces(bytes: Uint8Array, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  let start = 0;
  for (const length of lengths) {
    yield bytes.subarray(start, start + length);
    start += length;
  }
  yield bytes.subarray(start);
}

async function decodeAll(bytes: Uint8Array, lengths: readonly number[] = []): Promise<string> {
  return (await Array.fromAsync(decodeUtf8(inPieces(bytes, lengths), 'f.txt'))).join('');
}

const wellFormed = fc.string({ unit: 'binary', maxLength: 40 });
const lengths = fc.array(fc.nat(7), { maxLength: 30 });

test('decodes any text, wherever the chunks end', async () => {
  await fc.assert(
    fc.asyncProperty(wellFormed, lengths, async (text, pieces) => {
      expect(await decodeAll(Buffer.from(text), pieces)).toBe(text.replace(/^\ufeff/, ''));
    }),
  );
});

test('drops a byte order mark at the beginning only', async () => {
  expect(await decodeAll(Buffer.from('\ufeffa\ufeffb'), [1, 1, 2, 2])).toBe('a\ufeffb');
});

test('names line and byte of what is not UTF-8, wherever the chunks end', async () => {
  // "naïve" in Latin-1: the byte 0xEF begins a character of three bytes, and "ve" does not go on with it.
  const bytes = Buffer.concat([Buffer.from('première\n'), Buffer.from('na\xefve\n', 'latin1')]);
  const expected = new UserError(
    'f.txt:2: byte 3 of the line (byte 12 of the file) is 0xEF, which is not valid UTF-8. ' +
      'Save the file as UTF-8, for example with: iconv -f WINDOWS-1252 -t UTF-8',
  );
  await fc.assert(
    fc.asyncProperty(lengths, async (pieces) => {
      await expect(decodeAll(bytes, pieces)).rejects.toThrow(expected);
    }),
  );
});

test('finds a single bad byte in any text', async () => {
  await fc.assert(
    fc.asyncProperty(wellFormed, wellFormed, lengths, async (before, after, pieces) => {
      const at = Buffer.byteLength(before);
      const bytes = Buffer.concat([Buffer.from(before), Buffer.from([0xff]), Buffer.from(after)]);
      const line = before.split('\n').length;
      const column = Buffer.byteLength(before.slice(before.lastIndexOf('\n') + 1)) + 1;
      await expect(decodeAll(bytes, pieces)).rejects.toThrow(`f.txt:${line}: byte ${column} of the line (byte ${at} of the file) is 0xFF`);
    }),
  );
});

test('refuses a character that the end of the file cuts short', async () => {
  const bytes = Buffer.from('one\ntwo €').subarray(0, -1);
  await expect(decodeAll(bytes, [9])).rejects.toThrow('f.txt:2: byte 5 of the line (byte 8 of the file) is 0xE2');
});

test('recognizes UTF-16 by its mark', async () => {
  await expect(decodeAll(Buffer.from('\ufefftext', 'utf16le'))).rejects.toThrow('f.txt:1: the file is UTF-16, not UTF-8. Save it as UTF-8');
});
