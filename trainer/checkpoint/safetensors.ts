import { type FileHandle, open } from 'node:fs/promises';
import { UserError } from '../../text/errors.ts';
import { writeFileAtomically } from './atomicFile.ts';
import { fromFloat16 } from './float16.ts';
import { type DType, encodeHeader, LARGEST_HEADER, layOut, parseHeader, PREFIX_BYTES } from './safetensorsHeader.ts';

export { fromFloat16, toFloat16 } from './float16.ts';
export type { DType } from './safetensorsHeader.ts';

/** What holds the elements of each type. Halves and brain floats are kept as their bits. */
interface DataOf {
  F64: Float64Array;
  F32: Float32Array;
  F16: Uint16Array;
  BF16: Uint16Array;
  I64: BigInt64Array;
  I32: Int32Array;
  I16: Int16Array;
  I8: Int8Array;
  U64: BigUint64Array;
  U32: Uint32Array;
  U16: Uint16Array;
  U8: Uint8Array;
  BOOL: Uint8Array;
}

/** A tensor in row-major order; a scalar has the shape `[]` and one element. */
export type Tensor = {
  [D in DType]: { readonly dtype: D; readonly shape: readonly number[]; readonly data: DataOf[D] };
}[DType];

/** What a safetensors file holds. */
export interface Safetensors {
  readonly metadata: Record<string, string>;
  readonly tensors: Map<string, Tensor>;
}

const VIEWS: { readonly [D in DType]: (buffer: ArrayBuffer) => DataOf[D] } = {
  F64: (buffer) => new Float64Array(buffer),
  F32: (buffer) => new Float32Array(buffer),
  F16: (buffer) => new Uint16Array(buffer),
  BF16: (buffer) => new Uint16Array(buffer),
  I64: (buffer) => new BigInt64Array(buffer),
  I32: (buffer) => new Int32Array(buffer),
  I16: (buffer) => new Int16Array(buffer),
  I8: (buffer) => new Int8Array(buffer),
  U64: (buffer) => new BigUint64Array(buffer),
  U32: (buffer) => new Uint32Array(buffer),
  U16: (buffer) => new Uint16Array(buffer),
  U8: (buffer) => new Uint8Array(buffer),
  BOOL: (buffer) => new Uint8Array(buffer),
};

/**
 * Reads a safetensors file (https://github.com/huggingface/safetensors, "Format").
 *
 * @param path the file
 * @returns its tensors, in the order of their bytes, and its metadata (empty when it has none)
 * @throws UserError when the file is missing, truncated or breaks a rule of the format
 * @example
 * const { tensors } = await readSafetensors('model/model.safetensors');
 * const embedding = floatValues(tensors, 'embedding.weight', [vocabulary, embeddingSize]);
 */
export async function readSafetensors(path: string): Promise<Safetensors> {
  const handle = await openForReading(path);
  try {
    const { metadata, entries, dataStart } = await readHeader(handle, path);
    const tensors = new Map<string, Tensor>();
    for (const { name, dtype, shape, begin, end } of entries) {
      const buffer = await readRange(handle, path, dataStart + begin, end - begin);
      // The view is chosen by the type it is stored under, which the compiler cannot follow through a union.
      tensors.set(name, { dtype, shape, data: VIEWS[dtype](buffer) } as Tensor);
    }
    return { metadata, tensors };
  } finally {
    await handle.close();
  }
}

/**
 * Writes a safetensors file, whole or not at all: see {@link writeFileAtomically}. The same tensors give the same
 * bytes whatever the order of the map: wide types first, so that every tensor is aligned, then by name.
 *
 * @param path the file to make or to replace
 * @param tensors the tensors by name
 * @param metadata free text by name, kept in the header's `__metadata__`
 * @throws UserError when the file cannot be written
 * @throws RangeError when a tensor's data do not fill its shape, or a name is reserved
 * @example
 * await writeSafetensors('weights.safetensors', new Map([
 *   ['bias', { dtype: 'F32', shape: [2], data: new Float32Array([1, 2]) }],
 * ]), { note: 'two numbers' });
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const entries = layOut(path, tensors);
  const chunks: Uint8Array[] = [encodeHeader(entries, metadata)];
  for (const { name } of entries) {
    const data = tensors.get(name)?.data;
    if (data) chunks.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  await writeFileAtomically(path, chunks);
}

/**
 * The values of an `F32` or `F16` tensor as float32, after checking its shape.
 *
 * @param file the tensors of a file, as {@link readSafetensors} returns them
 * @param name the tensor wanted
 * @param shape the shape it must have; leave it out to take any
 * @returns the tensor's own array for `F32`, a converted copy for `F16`
 * @throws UserError when the tensor is missing, of another type or of another shape
 * @example
 * floatValues(tensors, 'decoder.bias', [16_000])
 */
export function floatValues(file: ReadonlyMap<string, Tensor>, name: string, shape?: readonly number[]): Float32Array {
  const tensor = file.get(name);
  if (!tensor) {
    throw new UserError(`Tensor "${name}" is missing; the file has ${[...file.keys()].join(', ') || 'no tensors'}.`);
  }
  if (shape && (shape.length !== tensor.shape.length || shape.some((size, axis) => size !== tensor.shape[axis]))) {
    throw new UserError(`Tensor "${name}" has the shape [${tensor.shape.join(', ')}], expected [${shape.join(', ')}].`);
  }
  if (tensor.dtype === 'F32') return tensor.data;
  if (tensor.dtype === 'F16') return fromFloat16(tensor.data);
  throw new UserError(`Tensor "${name}" is ${tensor.dtype}, expected F32 or F16.`);
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    const reason = code === 'ENOENT' ? 'no such file' : code === 'EACCES' ? 'permission denied' : code;
    throw new UserError(`Cannot read ${path}: ${reason}. Check the path.`, { cause: error });
  }
}

async function readHeader(handle: FileHandle, path: string) {
  const status = await handle.stat();
  if (!status.isFile()) throw new UserError(`Cannot read ${path}: it is not a file. Name the .safetensors file itself.`);
  if (status.size < PREFIX_BYTES) {
    throw new UserError(`${path} is not a safetensors file: it has ${status.size} bytes, at least ${PREFIX_BYTES} needed.`);
  }
  const prefix = new DataView(await readRange(handle, path, 0, PREFIX_BYTES));
  const headerBytes = Number(prefix.getBigUint64(0, true));
  if (headerBytes > LARGEST_HEADER) {
    throw new UserError(`${path} is not a safetensors file: its first 8 bytes announce a header of ${headerBytes} bytes.`);
  }
  const dataStart = PREFIX_BYTES + headerBytes;
  if (dataStart > status.size) {
    throw new UserError(
      `${path} is truncated: its header ends at byte ${dataStart}, the file at ${status.size}. Copy or download it again.`,
    );
  }
  const header = new Uint8Array(await readRange(handle, path, PREFIX_BYTES, headerBytes));
  return { ...parseHeader(path, header, status.size - dataStart), dataStart };
}

/** Reads into a fresh buffer, so that a typed array over it is aligned wherever the bytes lie in the file. */
async function readRange(handle: FileHandle, path: string, position: number, length: number): Promise<ArrayBuffer> {
  const largestRead = 2 ** 30; // one read call takes at most 2 GiB
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, Math.min(largestRead, length - filled), position + filled);
    if (bytesRead === 0) throw new UserError(`${path} became shorter while it was read, at byte ${position + filled}.`);
    filled += bytesRead;
  }
  return bytes.buffer;
}
