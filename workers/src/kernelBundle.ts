import { BUNDLE_FILE, outputCount, type Bundle, type BundleMember } from '../../export/bundle.ts';
import { UserError } from '../../text/errors.ts';
import { KERNEL_BATCH, MAX_KERNEL_BYTES, type KernelDescription } from '../kernel/description.ts';
// Relaxed SIMD is on in every workerd since 2023, and a Worker compiles nothing while it runs: there is nothing to choose.
import kernelModule from '../kernel/lstm-relaxed.wasm';
import { KernelRuntime } from './kernelRuntime.ts';

/** Bytes that are read at a time. */
const READ_BYTES = 128 * 1024;

/** Opens an asset for reading. */
export type AssetOpener = (file: string) => Promise<ReadableStream<Uint8Array>>;

/**
 * The runtimes of a bundle whose weights were packed for the kernel. The weights are read straight to where the kernel wants
 * them, and checked there: they are never in memory twice, where they would fill an isolate.
 *
 * @throws KernelMemoryError when the models need more memory than they may have; UserError when an asset is damaged or not of
 *   this bundle.
 */
export class KernelLoader {
  readonly #bundle: Bundle;
  readonly #description: KernelDescription;
  readonly #open: AssetOpener;
  #bytesLeft: number;

  constructor(bundle: Bundle, description: KernelDescription, open: AssetOpener, maxBytes: number = MAX_KERNEL_BYTES) {
    if (description.bundle !== bundle.checksums[BUNDLE_FILE])
      throw new UserError('The packed weights are not of this bundle. Deploy again from the bundle.');
    this.#bundle = bundle;
    this.#description = description;
    this.#open = open;
    this.#bytesLeft = maxBytes;
  }

  /** One member's model, ready to run. */
  async load(member: BundleMember): Promise<KernelRuntime> {
    const packed = this.#description.members.find(({ direction }) => direction === member.direction);
    if (packed === undefined)
      throw new UserError(`There are no packed weights of the ${member.direction} model. Deploy again from the bundle.`);
    const runtime = new KernelRuntime(kernelModule, member, {
      outputs: outputCount(this.#bundle),
      headHidden: packed.headHidden,
      maxBatch: KERNEL_BATCH,
      maxBytes: this.#bytesLeft,
    });
    this.#bytesLeft -= runtime.memoryBytes;
    let filled = 0;
    for (const { name, bytes, sha256 } of packed.files) {
      if ((await fill(runtime.imagePiece(filled, bytes), await this.#open(name))) !== sha256)
        throw new UserError(`${name} is damaged or belongs to another deployment. Deploy again from the bundle.`);
      filled += bytes;
    }
    if (filled !== runtime.imageBytes)
      throw new UserError(`The packed weights have ${filled} bytes; the model has ${runtime.imageBytes}. Deploy again from the bundle.`);
    return runtime;
  }
}

/**
 * Reads a stream into a place, with one small buffer that is used again and again.
 *
 * @returns the SHA-256 of the bytes, or undefined when there are more or fewer of them than the place has.
 */
async function fill(place: Uint8Array, stream: ReadableStream<Uint8Array>): Promise<string | undefined> {
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

function hexadecimal(digest: ArrayBuffer): string {
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
