import { TextDecoder } from 'node:util';

import { UserError } from '../../text/errors.ts';

const NEWLINE = 0x0a;

/**
 * Decodes UTF-8 as it comes, strictly, and drops a byte order mark at the beginning. Chunks may end inside a character.
 *
 * @param name of the source, for messages
 * @throws UserError naming the line and the byte that is not UTF-8
 */
export async function* decodeUtf8(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<string> {
  const place: Place = { line: 1, bytesBefore: 0, bytesBeforeLine: 0 };
  let pending: Uint8Array = new Uint8Array(0);
  let atStart = true;
  for await (const chunk of chunks) {
    const bytes = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    const whole = bytes.subarray(0, bytes.length - unfinishedLength(bytes));
    const text = decode(whole, bytes, place, name);
    pending = bytes.subarray(whole.length);
    advance(place, whole);
    if (text === '') continue;
    yield atStart && text.startsWith('\ufeff') ? text.slice(1) : text;
    atStart = false;
  }
  if (pending.length > 0) throw invalid(pending, 0, place, name);
}

/** How far the decoder has come, in lines and bytes of the decompressed source. */
interface Place {
  line: number;
  bytesBefore: number;
  bytesBeforeLine: number;
}

function decode(whole: Uint8Array, bytes: Uint8Array, place: Place, name: string): string {
  try {
    return strictDecoder().decode(whole);
  } catch {
    throw invalid(bytes, validLength(whole), place, name);
  }
}

function strictDecoder(): TextDecoder {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
}

/** Bytes at the end that begin a character without finishing it: 0 to 3. */
function unfinishedLength(bytes: Uint8Array): number {
  for (let length = 1; length <= Math.min(3, bytes.length); length++) {
    const byte = bytes[bytes.length - length] ?? 0;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return characterLength(byte) > length ? length : 0;
  }
  return 0;
}

function characterLength(firstByte: number): number {
  if (firstByte >= 0xf0) return 4;
  return firstByte >= 0xe0 ? 3 : 2;
}

/** Length of the longest beginning of whole, valid characters, found by halving: if a beginning is invalid, so is every longer one. */
function validLength(bytes: Uint8Array): number {
  let valid = 0;
  let invalidFrom = bytes.length;
  while (invalidFrom - valid > 1) {
    const middle = (valid + invalidFrom) >> 1;
    try {
      strictDecoder().decode(bytes.subarray(0, middle), { stream: true });
      valid = middle;
    } catch {
      invalidFrom = middle;
    }
  }
  return valid - unfinishedLength(bytes.subarray(0, valid));
}

function advance(place: Place, bytes: Uint8Array): void {
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) {
    place.line++;
    place.bytesBeforeLine = place.bytesBefore + at + 1;
  }
  place.bytesBefore += bytes.length;
}

function invalid(bytes: Uint8Array, at: number, place: Place, name: string): UserError {
  const start = place.bytesBefore;
  const byte = `0x${(bytes[at] ?? 0).toString(16).toUpperCase().padStart(2, '0')}`;
  const isUtf16 = start === 0 && ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff));
  if (isUtf16)
    return new UserError(`${name}:1: the file is UTF-16, not UTF-8. Save it as UTF-8, for example with: iconv -f UTF-16 -t UTF-8`);
  advance(place, bytes.subarray(0, at));
  const column = start + at - place.bytesBeforeLine + 1;
  return new UserError(
    `${name}:${place.line}: byte ${column} of the line (byte ${start + at} of the file) is ${byte}, which is not valid UTF-8. ` +
      'Save the file as UTF-8, for example with: iconv -f WINDOWS-1252 -t UTF-8',
  );
}
