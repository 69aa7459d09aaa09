/** The bytes of one tensor inside a shard file, as ONNX external data names them. */
export interface ShardSlice {
  /** File name of the shard, relative to the graph's own folder. */
  readonly location: string;
  /** First byte, a multiple of {@link SHARD_ALIGNMENT}. */
  readonly offset: number;
  /** Number of bytes. */
  readonly length: number;
}

/**
 * The most bytes a shard file may have: 24 MiB. Static-asset hosts commonly stop at 25 MiB a file
 * (Cloudflare Workers: https://developers.cloudflare.com/workers/platform/limits/#static-assets).
 */
export const MAX_SHARD_BYTES = 24 * 1024 * 1024;

/** Tensors start at multiples of a memory page, so that a runtime can map them instead of copying them (onnx.proto, `external_data`). */
export const SHARD_ALIGNMENT = 4096;

interface OpenShard {
  readonly name: string;
  readonly pieces: { readonly offset: number; readonly bytes: Uint8Array }[];
  end: number;
}

/**
 * Packs tensors into `weights-00.bin`, `weights-01.bin`, … none larger than a limit.
 *
 * @example
 * const shards = new WeightShards();
 * shards.place(new Uint8Array(8)); // { location: 'weights-00.bin', offset: 0, length: 8 }
 */
export class WeightShards {
  readonly #shards: OpenShard[] = [];
  readonly #prefix: string;
  readonly maxBytes: number;

  /** @param prefix what the files' names begin with. */
  constructor(maxBytes: number = MAX_SHARD_BYTES, prefix = '') {
    this.maxBytes = maxBytes;
    this.#prefix = prefix;
  }

  /** Puts the bytes into the first shard with room for them, or opens a new one. Throws a RangeError when no shard could ever hold them. */
  place(bytes: Uint8Array): ShardSlice {
    if (bytes.length > this.maxBytes) {
      throw new RangeError(`${bytes.length} bytes do not fit into a shard of ${this.maxBytes} bytes; split the tensor first.`);
    }
    let shard = this.#shards.find((open) => align(open.end) + bytes.length <= this.maxBytes);
    if (shard === undefined) {
      shard = { name: `${this.#prefix}weights-${String(this.#shards.length).padStart(2, '0')}.bin`, pieces: [], end: 0 };
      this.#shards.push(shard);
    }
    const offset = align(shard.end);
    shard.pieces.push({ offset, bytes });
    shard.end = offset + bytes.length;
    return { location: shard.name, offset, length: bytes.length };
  }

  /** The finished files by name, in order. The gaps that alignment leaves are zeros. */
  files(): Map<string, Uint8Array> {
    return new Map(
      this.#shards.map((shard) => {
        const file = new Uint8Array(shard.end);
        for (const { offset, bytes } of shard.pieces) file.set(bytes, offset);
        return [shard.name, file];
      }),
    );
  }
}

function align(position: number): number {
  return Math.ceil(position / SHARD_ALIGNMENT) * SHARD_ALIGNMENT;
}
