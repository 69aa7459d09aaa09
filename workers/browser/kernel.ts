/** What the kernel of our own needs of a browser. */
import { sha256Hex } from '../../export/bundle.ts';
import plain from '../kernel/lstm-plain.wasm';
import relaxed from '../kernel/lstm-relaxed.wasm';

/** The kernel that this browser can compile. Both give the same bits. */
export function kernelModule(): WebAssembly.Module {
  return new WebAssembly.Module(WebAssembly.validate(relaxed) ? relaxed : plain);
}

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
