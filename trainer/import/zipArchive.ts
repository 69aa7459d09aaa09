import { UserError } from '../../text/errors.ts';
import type { FileSlices } from './fileSlices.ts';

/** A file in an archive. */
export interface ZipEntry {
  readonly name: string;
  /** Bytes it takes in the archive. */
  readonly size: number;
  /** True where its bytes stand in the archive as they are. */
  readonly isPlain: boolean;
  readonly headerPosition: number;
}

const LOCAL_HEADER = { signature: 0x04034b50, bytes: 30 };
const DIRECTORY_ENTRY = { signature: 0x02014b50, bytes: 46 };
const END = { signature: 0x06054b50, bytes: 22 };
const END_64 = { signature: 0x06064b50, bytes: 56 };
const END_64_LOCATOR = { signature: 0x07064b50, bytes: 20 };
const LONGEST_COMMENT = 0xffff;
/** Stands for a number that has its place in the 64-bit fields. */
const IN_64_BITS = 0xffffffff;
const LARGEST_DIRECTORY = 2 ** 25;

/** Whether a file begins as archives do. */
export function looksLikeZip(head: Uint8Array): boolean {
  return head.length >= 4 && viewOf(head).getUint32(0, true) === LOCAL_HEADER.signature;
}

/**
 * The list of files at the end of a zip archive, 64-bit sizes included (PKWARE's APPNOTE.TXT, sections 4.3.6 to 4.3.16).
 *
 * @throws UserError where the archive is cut off or damaged
 */
export async function readZipDirectory(file: FileSlices): Promise<Map<string, ZipEntry>> {
  const { position, size } = await findDirectory(file);
  if (size > LARGEST_DIRECTORY) throw damaged(file, `its list of files takes ${size} bytes`);
  const bytes = await file.read(position, size);
  const view = viewOf(bytes);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  while (at + DIRECTORY_ENTRY.bytes <= size) {
    if (view.getUint32(at, true) !== DIRECTORY_ENTRY.signature) throw damaged(file, 'its list of files is broken');
    const [nameLength, extraLength, commentLength] = [
      view.getUint16(at + 28, true),
      view.getUint16(at + 30, true),
      view.getUint16(at + 32, true),
    ];
    const nameEnd = at + DIRECTORY_ENTRY.bytes + nameLength;
    const end = nameEnd + extraLength + commentLength;
    if (end > size) throw damaged(file, 'its list of files is cut off');
    const name = new TextDecoder().decode(bytes.subarray(at + DIRECTORY_ENTRY.bytes, nameEnd));
    if (entries.has(name)) throw damaged(file, 'two of its files have the same name');
    const [size64, stored64, header64] = wideNumbers(view, at, nameEnd, nameEnd + extraLength);
    const isEncrypted = (view.getUint16(at + 8, true) & 1) === 1;
    const isPlain = view.getUint16(at + 10, true) === 0 && !isEncrypted && size64 === stored64;
    entries.set(name, { name, size: stored64, isPlain, headerPosition: header64 });
    at = end;
  }
  return entries;
}

/**
 * Where the bytes of an entry begin in the archive.
 *
 * @throws UserError where the entry is compressed, which torch.save never does, or damaged
 */
export async function positionOf(file: FileSlices, entry: ZipEntry): Promise<number> {
  if (!entry.isPlain) {
    throw new UserError(
      `${file.path} has been packed anew, with compression: torch.save does not compress. Unpack it, or get the file as it was saved.`,
    );
  }
  const header = viewOf(await file.read(entry.headerPosition, LOCAL_HEADER.bytes));
  if (header.getUint32(0, true) !== LOCAL_HEADER.signature) throw damaged(file, `${JSON.stringify(entry.name)} is not where it should be`);
  const position = entry.headerPosition + LOCAL_HEADER.bytes + header.getUint16(26, true) + header.getUint16(28, true);
  if (position + entry.size > file.size) throw damaged(file, `${JSON.stringify(entry.name)} is cut off`);
  return position;
}

/** Finds the record at the end of the archive, behind which there may be a comment. */
async function findDirectory(file: FileSlices): Promise<{ position: number; size: number }> {
  const tailLength = Math.min(file.size, END.bytes + LONGEST_COMMENT + END_64_LOCATOR.bytes);
  const tailStart = file.size - tailLength;
  const tail = viewOf(await file.read(tailStart, tailLength));
  for (let at = tailLength - END.bytes; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END.signature) continue;
    const [size, position] = [tail.getUint32(at + 12, true), tail.getUint32(at + 16, true)];
    const locator = at - END_64_LOCATOR.bytes;
    if (locator >= 0 && tail.getUint32(locator, true) === END_64_LOCATOR.signature) {
      return readEnd64(file, exact(tail.getBigUint64(locator + 8, true)));
    }
    return { position, size };
  }
  throw new UserError(`${file.path} is cut off: it begins as a zip archive and has no end. Copy or download it again.`);
}

async function readEnd64(file: FileSlices, position: number): Promise<{ position: number; size: number }> {
  const end = viewOf(await file.read(position, END_64.bytes));
  if (end.getUint32(0, true) !== END_64.signature) throw damaged(file, 'its end is broken');
  return { size: exact(end.getBigUint64(40, true)), position: exact(end.getBigUint64(48, true)) };
}

/** An entry's size, its size in the archive and its position: from the 64-bit field where the 32-bit ones are full. */
function wideNumbers(view: DataView, at: number, extraStart: number, extraEnd: number): [number, number, number] {
  const numbers: [number, number, number] = [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)];
  for (let field = extraStart; field + 4 <= extraEnd; field += 4 + view.getUint16(field + 2, true)) {
    if (view.getUint16(field, true) !== 1) continue;
    let place = field + 4;
    for (const [index, number] of numbers.entries()) {
      if (number !== IN_64_BITS || place + 8 > extraEnd) continue;
      numbers[index] = exact(view.getBigUint64(place, true));
      place += 8;
    }
  }
  return numbers;
}

/** Beyond 2^53 a number is not exact, and no file is that long: whoever reads there is refused. */
const exact = (value: bigint): number => Number(value);

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

function damaged(file: FileSlices, how: string): UserError {
  return new UserError(`${file.path} is damaged: ${how}. Copy or download it again.`);
}
