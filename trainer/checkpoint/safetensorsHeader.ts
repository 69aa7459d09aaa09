import { UserError } from '../../text/errors.ts';

/** The bytes of one element of each type we read and write. */
export const ELEMENT_BYTES = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;

/** The element types of safetensors, by its own names. */
export type DType = keyof typeof ELEMENT_BYTES;

/** Where one tensor lies. The offsets count from the end of the header. */
export interface HeaderEntry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** The header's length stands before it, in 8 bytes, little-endian. */
export const PREFIX_BYTES = 8;

/** The reference implementation refuses headers above 100 MB (safetensors `MAX_HEADER_SIZE`). */
export const LARGEST_HEADER = 100_000_000;

const METADATA = '__metadata__';

/**
 * Reads and checks the JSON header: every tensor's type is known, its bytes fill its shape, and the tensors together
 * cover the data exactly, without holes and without overlap, as the format demands.
 *
 * @param path the file's name, for messages
 * @param bytes the header
 * @param dataBytes how many bytes follow the header
 * @returns the tensors in the order of their bytes, and the metadata
 * @throws UserError naming the file and the tensor that breaks a rule
 */
export function parseHeader(
  path: string,
  bytes: Uint8Array,
  dataBytes: number,
): { metadata: Record<string, string>; entries: HeaderEntry[] } {
  const header = parseJsonObject(path, bytes);
  let metadata: Record<string, string> = {};
  const entries: HeaderEntry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === METADATA) metadata = checkMetadata(path, value);
    else entries.push(checkEntry(path, name, value));
  }
  entries.sort((left, right) => left.begin - right.begin || left.end - right.end);
  checkCoverage(path, entries, dataBytes);
  return { metadata, entries };
}

/**
 * Gives every tensor its place: wide types first, so that each is aligned to its element, then by name.
 *
 * @throws RangeError when a tensor's data do not fill its shape, or a name is reserved
 */
export function layOut(
  path: string,
  tensors: ReadonlyMap<string, { dtype: DType; shape: readonly number[]; data: { length: number } }>,
): HeaderEntry[] {
  const ordered = [...tensors].sort(
    ([leftName, left], [rightName, right]) => ELEMENT_BYTES[right.dtype] - ELEMENT_BYTES[left.dtype] || (leftName < rightName ? -1 : 1),
  );
  let begin = 0;
  return ordered.map(([name, { dtype, shape, data }]) => {
    const elements = elementCount(shape);
    if (name === METADATA) throw new RangeError(`${path}: a tensor may not be called "${METADATA}".`);
    if (elements !== data.length) {
      throw new RangeError(`${path}: tensor "${name}" has ${data.length} values for the shape [${shape.join(', ')}].`);
    }
    const end = begin + elements * ELEMENT_BYTES[dtype];
    const entry = { name, dtype, shape: [...shape], begin, end };
    begin = end;
    return entry;
  });
}

/** The length prefix and the JSON, padded with spaces so that the data start at a multiple of 8. */
export function encodeHeader(entries: readonly HeaderEntry[], metadata: Readonly<Record<string, string>>): Uint8Array {
  const fields: [string, unknown][] = entries.map(({ name, dtype, shape, begin, end }) => [
    name,
    { dtype, shape, data_offsets: [begin, end] },
  ]);
  if (Object.keys(metadata).length > 0) fields.unshift([METADATA, metadata]);
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(fields)));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(PREFIX_BYTES + headerBytes).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.set(json, PREFIX_BYTES);
  return bytes;
}

function parseJsonObject(path: string, bytes: Uint8Array): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw new UserError(`${path} is not a safetensors file: its header is not JSON.`, { cause: error });
  }
  if (!isObject(header)) throw new UserError(`${path} is not a safetensors file: its header is not a JSON object.`);
  return header;
}

function checkMetadata(path: string, value: unknown): Record<string, string> {
  if (!isObject(value)) throw new UserError(`${path}: ${METADATA} is not a JSON object.`);
  for (const [name, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw new UserError(`${path}: ${METADATA}.${name} is not a string.`);
  }
  return value as Record<string, string>;
}

function checkEntry(path: string, name: string, value: unknown): HeaderEntry {
  const fail = (what: string): never => {
    throw new UserError(`${path}: tensor "${name}" ${what}.`);
  };
  if (!isObject(value)) return fail('is not described by a JSON object');
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDType(dtype)) {
    return fail(`has the type ${JSON.stringify(dtype)}; we read ${Object.keys(ELEMENT_BYTES).join(', ')}`);
  }
  if (!isSizes(shape)) return fail(`has the shape ${JSON.stringify(shape)}; expected an array of whole numbers`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    return fail(`has the data_offsets ${JSON.stringify(offsets)}; expected [begin, end]`);
  }
  const [begin = 0, end = 0] = offsets;
  const needed = elementCount(shape) * ELEMENT_BYTES[dtype];
  if (end - begin !== needed) {
    fail(`lies at bytes ${begin} to ${end}, but ${dtype} of shape [${shape.join(', ')}] takes ${needed} bytes`);
  }
  return { name, dtype, shape, begin, end };
}

function checkCoverage(path: string, entries: readonly HeaderEntry[], dataBytes: number): void {
  let covered = 0;
  let previous = '';
  for (const { name, begin, end } of entries) {
    if (begin < covered) {
      throw new UserError(`${path}: tensor "${name}" starts at byte ${begin}, inside tensor "${previous}".`);
    }
    if (begin > covered) {
      throw new UserError(`${path}: bytes ${covered} to ${begin} before tensor "${name}" belong to no tensor.`);
    }
    if (end > dataBytes) {
      throw new UserError(
        `${path} is truncated: tensor "${name}" ends at byte ${end} of the data, the file at ${dataBytes}. Copy or download it again.`,
      );
    }
    covered = end;
    previous = name;
  }
  if (covered < dataBytes) {
    throw new UserError(`${path}: the last ${dataBytes - covered} bytes belong to no tensor.`);
  }
}

/** The product of the axes; 1 for a scalar. A product beyond exact numbers matches no pair of offsets. */
function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDType(value: unknown): value is DType {
  return typeof value === 'string' && Object.hasOwn(ELEMENT_BYTES, value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
