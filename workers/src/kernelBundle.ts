import { BUNDLE_FILE, outputCount, type Bundle, type BundleMember } from '../../export/bundle.ts';
import { UserError } from '../../text/errors.ts';
import { KERNEL_BATCH, MAX_KERNEL_BYTES, type KernelDescription } from '../kernel/description.ts';
import { KernelRuntime } from './kernelRuntime.ts';

/** What the kernel needs of where it runs. */
export interface KernelHost {
  /** The file as it comes. @throws where there is none */
  open(file: string): Promise<Response>;
  /**
   * Reads a stream into a place.
   *
   * @returns the SHA-256 of the bytes, or undefined when there are more or fewer of them than the place has
   */
  fill(place: Uint8Array<ArrayBuffer>, stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string | undefined>;
  /** The kernel, compiled. */
  kernelModule(): WebAssembly.Module;
}

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
  readonly #host: KernelHost;
  #bytesLeft: number;

  constructor(bundle: Bundle, description: KernelDescription, host: KernelHost, maxBytes: number = MAX_KERNEL_BYTES) {
    if (description.bundle !== bundle.checksums[BUNDLE_FILE])
      throw new UserError('The packed weights are not of this bundle. Deploy again from the bundle.');
    this.#bundle = bundle;
    this.#description = description;
    this.#host = host;
    this.#bytesLeft = maxBytes;
  }

  /** One member's model, ready to run. */
  async load(member: BundleMember): Promise<KernelRuntime> {
    const packed = this.#description.members.find(({ direction }) => direction === member.direction);
    if (packed === undefined)
      throw new UserError(`There are no packed weights of the ${member.direction} model. Deploy again from the bundle.`);
    const runtime = new KernelRuntime(this.#host.kernelModule(), member, {
      outputs: outputCount(this.#bundle),
      headHidden: packed.headHidden,
      maxBatch: KERNEL_BATCH,
      maxBytes: this.#bytesLeft,
    });
    this.#bytesLeft -= runtime.memoryBytes;
    let filled = 0;
    for (const { name, bytes, sha256 } of packed.files) {
      const { body } = await this.#host.open(name);
      if (body === null || (await this.#host.fill(runtime.imagePiece(filled, bytes), body)) !== sha256)
        throw new UserError(`${name} is damaged or belongs to another deployment. Deploy again from the bundle.`);
      filled += bytes;
    }
    if (filled !== runtime.imageBytes)
      throw new UserError(`The packed weights have ${filled} bytes; the model has ${runtime.imageBytes}. Deploy again from the bundle.`);
    return runtime;
  }
}
