import { hexadecimal } from '../../export/bundle.ts';

/** Bytes that are read at a time. */
const READ_BYTES = 128 * 1024;

/**
 * Reads a stream into a place, with one small buffer that is used again and again.
 *
 * @returns the SHA-256 of the bytes, or undefined when there are more or fewer of them than the place has.
 */
export async function fillMemory(place: Uint8Array, stream: ReadableStream<Uint8Array>): Promise<string | undefined> {
  const digest = new crypto.DigestStream('SHA-256');
  const writer = digest.getWriter();
  const reader = stream.getReader({ mode: 'byob' });
  let buffer = new ArrayBuffer(READ_BYTES);
  let filled = 0;
  for (;;) {
    const { value, done } = await reader.read(new Uint8Array(buffer));
    if (done || value === undefined) break;
    if (filled + value.length > place.length) {
      await Promise.all([reader.cancel(), writer.close()]);
      return undefined;
    }
    place.set(value, filled);
    await writer.write(value);
    filled += value.length;
    buffer = value.buffer;
  }
  await writer.close();
  return filled === place.length ? hexadecimal(await digest.digest) : undefined;
}
