/*
 * Pickles and archives written by hand, for tests.
 */

/** Bytes, one a character; what is bytes already stays as it is. */
export function bytesOf(...parts: readonly (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const pieces = parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part));
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let position = 0;
  for (const piece of pieces) {
    bytes.set(piece, position);
    position += piece.length;
  }
  return bytes;
}

/** A whole number of `size` bytes, lowest first. */
export function wholeNumber(value: number, size: 2 | 4 | 8): string {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return String.fromCharCode(...bytes.subarray(0, size));
}

/** BINUNICODE */
export function text(value: string): string {
  const bytes = new TextEncoder().encode(value);
  return `X${wholeNumber(bytes.length, 4)}${String.fromCharCode(...bytes)}`;
}

/** BININT */
export const int = (value: number): string => `J${wholeNumber(value, 4)}`;

/** A tuple of what the parts push. */
export const tuple = (...parts: readonly string[]): string => `(${parts.join('')}t`;

/** A tensor as torch.save describes it, of float32 in the storage `key`. */
export function tensor(
  key: string,
  length: number,
  shape: readonly number[],
  { offset = 0, strides = rowStrides(shape), type = 'FloatStorage' } = {},
): string {
  const id = tuple(text('storage'), `ctorch\n${type}\n`, text(key), text('cpu'), int(length));
  const sizes = tuple(...shape.map(int));
  return `ctorch._utils\n_rebuild_tensor_v2\n${tuple(`${id}Q`, int(offset), sizes, tuple(...strides.map(int)), '\x89', 'ccollections\nOrderedDict\n)R')}R`;
}

function rowStrides(shape: readonly number[]): number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
}

/** A dictionary of what the parts push. */
export function dictionary(entries: Readonly<Record<string, string>>): string {
  return `}(${Object.entries(entries)
    .map(([name, value]) => text(name) + value)
    .join('')}u`;
}

/** A pickle of protocol 2. */
export const pickle = (value: string): Uint8Array<ArrayBuffer> => bytesOf(`\x80\x02${value}.`);

/** A zip archive of files as they are, or marked as compressed. */
export function zip(files: Readonly<Record<string, Uint8Array>>, { method = 0 } = {}): Uint8Array<ArrayBuffer> {
  const locals: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let position = 0;
  for (const [name, content] of Object.entries(files)) {
    const sizes = `${wholeNumber(content.length, 4)}${wholeNumber(content.length, 4)}`;
    const common = `${wholeNumber(0, 2)}${wholeNumber(method, 2)}${wholeNumber(0, 8)}${sizes}${wholeNumber(name.length, 2)}${wholeNumber(0, 2)}`;
    const local = bytesOf('PK\x03\x04', wholeNumber(20, 2), common, name, content);
    directory.push(bytesOf('PK\x01\x02', wholeNumber(20, 2), wholeNumber(20, 2), common, '\0'.repeat(10), wholeNumber(position, 4), name));
    locals.push(local);
    position += local.length;
  }
  const list = bytesOf(...directory);
  const count = wholeNumber(directory.length, 2);
  const end = bytesOf('PK\x05\x06', '\0'.repeat(4), count, count, wholeNumber(list.length, 4), wholeNumber(position, 4), '\0\0');
  return bytesOf(...locals, list, end);
}

/** What torch.save writes: a description and the numbers of each storage. */
export function torchArchive(description: string, storages: Readonly<Record<string, Uint8Array>> = {}): Uint8Array<ArrayBuffer> {
  const data = Object.entries(storages).map(([key, bytes]) => [`model/data/${key}`, bytes]);
  return zip({ 'model/data.pkl': pickle(description), 'model/byteorder': bytesOf('little'), ...Object.fromEntries(data) });
}

/** The bytes of numbers. */
export function raw(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
