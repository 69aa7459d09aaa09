import { sha256Hex } from '../../export/bundle.ts';

/**
 * Reads a stream into a place.
 *
 * @returns the SHA-256 of the bytes, or undefined when there are more or fewer of them than the place has
 */
export async function fillAndHash(place: Uint8Array<ArrayBuffer>, stream: ReadableStream<Uint8Array>): Promise<string | undefined> {
  const reader = stream.getReader();
  let filled = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    if (filled + value.length > place.length) {
      await reader.cancel();
      return undefined;
    }
    place.set(value, filled);
    filled += value.length;
  }
  return filled === place.length ? sha256Hex(place) : undefined;
}
