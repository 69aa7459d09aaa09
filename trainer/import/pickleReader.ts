import { UserError } from '../../text/errors.ts';

/** Python writes lone surrogates, too; they become U+FFFD here. A byte order mark is a part of the text. */
const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** A text line of the old protocols: a name, or a number in digits. */
const LONGEST_LINE = 2 ** 16;

/** Reads the bytes of a pickle in order. What is not there is never read and never allocated, whatever length is declared. */
export class PickleReader {
  /** The file's name, for messages. */
  readonly file: string;
  position: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(file: string, bytes: Uint8Array, start = 0) {
    this.file = file;
    this.position = start;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** @throws UserError always */
  fail(what: string): never {
    throw new UserError(`${this.file} is damaged: its pickle ${what} (byte ${this.position}). Copy or download it again.`);
  }

  /** Moves on by some bytes and says where they start. */
  #skip(length: number): number {
    const start = this.position;
    if (!(length <= this.#bytes.length - start)) this.fail('ends in the middle of a value');
    this.position += length;
    return start;
  }

  uint8(): number {
    return this.#view.getUint8(this.#skip(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#skip(2), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#skip(4), true);
  }

  /** A length of 8 bytes. Beyond 2^53 it is not exact, and no file is that long. */
  uint64(): number {
    return Number(this.#view.getBigUint64(this.#skip(8), true));
  }

  /** The one number that pickles write with its highest byte first. */
  float64(): number {
    return this.#view.getFloat64(this.#skip(8), false);
  }

  /** A copy, so that it does not keep the whole file in memory. */
  bytes(length: number): Uint8Array {
    const start = this.#skip(length);
    return this.#bytes.slice(start, start + length);
  }

  utf8(length: number): string {
    const start = this.#skip(length);
    return UTF8.decode(this.#bytes.subarray(start, start + length));
  }

  /** The text up to the next line feed, in Latin-1. */
  line(): string {
    const start = this.position;
    const end = this.#bytes.subarray(start, start + LONGEST_LINE).indexOf(0x0a);
    if (end < 0) this.fail('has a line without an end');
    this.position += end + 1;
    return Buffer.from(this.#bytes.subarray(start, start + end)).toString('latin1'); // TextDecoder's "latin1" is Windows's
  }

  /** A whole number in two's complement, lowest byte first: a number where it is exact as one. */
  integer(length: number): number | bigint {
    if (length > LARGEST_INTEGER) this.fail(`has a whole number of ${length} bytes`);
    const bytes = this.bytes(length);
    let value = 0n;
    for (let index = length - 1; index >= 0; index--) value = (value << 8n) | BigInt(bytes[index] ?? 0);
    return asNumber(BigInt.asIntN(8 * length, value));
  }

  /** A whole number in decimal digits. */
  decimal(digits: string): number | bigint {
    if (!/^[+-]?\d{1,1000}$/.test(digits)) this.fail('has a whole number that is none');
    return asNumber(BigInt(digits.replace('+', '')));
  }
}

/** Bytes of the largest whole number that is read. Files of weights have none above 10. */
const LARGEST_INTEGER = 256;

function asNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
