import { BUNDLE_FILE, outputCount, sha256Hex, type Bundle, type BundleMember } from '../../export/bundle.ts';
import { UserError } from '../../text/errors.ts';
import { KERNEL_BATCH, MAX_KERNEL_BYTES, type KernelDescription } from '../kernel/description.ts';
// Relaxed SIMD is on in every workerd since 2023, and a Worker compiles nothing while it runs: there is nothing to choose.
import kernelModule from '../kernel/lstm-relaxed.wasm';
import { KernelRuntime } from './kernelRuntime.ts';

/** Reads an asset. */
export type AssetReader = (file: string) => Promise<Uint8Array<ArrayBuffer>>;

/**
 * The runtimes of a bundle whose weights were packed for the kernel. Each piece of the weights is checked and then put where the
 * kernel wants it; no more than one piece is there twice.
 *
 * @throws KernelMemoryError when the models need more memory than they may have; UserError when an asset is damaged or not of
 *   this bundle.
 */
export class KernelLoader {
  readonly #bundle: Bundle;
  readonly #description: KernelDescription;
  readonly #read: AssetReader;
  #bytesLeft: number;

  constructor(bundle: Bundle, description: KernelDescription, read: AssetReader, maxBytes: number = MAX_KERNEL_BYTES) {
    if (description.bundle !== bundle.checksums[BUNDLE_FILE])
      throw new UserError('The packed weights are not of this bundle. Deploy again from the bundle.');
    this.#bundle = bundle;
    this.#description = description;
    this.#read = read;
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
    for (const { name, sha256 } of packed.files) {
      const piece = await this.#read(name);
      if ((await sha256Hex(piece)) !== sha256)
        throw new UserError(`${name} is damaged or belongs to another deployment. Deploy again from the bundle.`);
      runtime.writeImage(filled, piece);
      filled += piece.length;
    }
    if (filled !== runtime.imageBytes)
      throw new UserError(`The packed weights have ${filled} bytes; the model has ${runtime.imageBytes}. Deploy again from the bundle.`);
    return runtime;
  }
}
