/*
 * TFRecord framing, in which TensorBoard's event files are written
 * (https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details): length as uint64, masked CRC of the length, data,
 * masked CRC of the data; all little-endian.
 */

const LENGTH_BYTES = 8;
const CHECKSUM_BYTES = 4;
const HEADER_BYTES = LENGTH_BYTES + CHECKSUM_BYTES;

/** Castagnoli's polynomial, its bits reversed (RFC 3720, section 12.1). */
const CASTAGNOLI = 0x82f63b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ CASTAGNOLI : remainder >>> 1;
  return remainder;
});

/** CRC-32C of some bytes (RFC 3720, section 12.1), as an unsigned number. Node's zlib has only the other CRC-32. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}

/** The checksum as it stands in a file: rotated and shifted, so that a CRC of data that holds CRCs is worth something. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** One record, framed. */
export function frameRecord(data: Uint8Array): Uint8Array {
  const framed = new Uint8Array(HEADER_BYTES + data.length + CHECKSUM_BYTES);
  const view = new DataView(framed.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(LENGTH_BYTES, masked(crc32c(framed.subarray(0, LENGTH_BYTES))), true);
  framed.set(data, HEADER_BYTES);
  view.setUint32(HEADER_BYTES + data.length, masked(crc32c(data)), true);
  return framed;
}

/** The records of a file, up to the first that was cut short or damaged: a file is read while a run is writing it, or was killed. */
export function* readRecords(bytes: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (at + HEADER_BYTES + CHECKSUM_BYTES <= bytes.length) {
    if (view.getUint32(at + LENGTH_BYTES, true) !== masked(crc32c(bytes.subarray(at, at + LENGTH_BYTES)))) return;
    const start = at + HEADER_BYTES;
    const end = start + Number(view.getBigUint64(at, true));
    if (end + CHECKSUM_BYTES > bytes.length) return;
    const data = bytes.subarray(start, end);
    if (view.getUint32(end, true) !== masked(crc32c(data))) return;
    yield data;
    at = end + CHECKSUM_BYTES;
  }
}
