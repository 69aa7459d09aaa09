import fc from 'fast-check';
import { expect, it } from 'vitest';

import { crc32c, frameRecord, readRecords } from './tfRecords.ts';

it('computes CRC-32C as RFC 3720 does (appendix B.4), and its check value', () => {
  expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index))).toBe(0x46dd794e);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, index) => 31 - index))).toBe(0x113fdb5c);
});

const joined = (records: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(records.map(frameRecord)));

it('gives back what was framed', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array()), (records) => {
      expect([...readRecords(joined(records))]).toEqual(records.map((record) => new Uint8Array(record)));
    }),
  );
});

it('stops at what was cut short, and at every byte that was changed', () => {
  const first = Uint8Array.of(1, 2, 3);
  const bytes = joined([first, Uint8Array.of(4, 5)]);
  const end = frameRecord(first).length;
  for (let length = end; length < bytes.length; length++) expect([...readRecords(bytes.subarray(0, length))]).toEqual([first]);
  for (let at = end; at < bytes.length; at++) {
    const damaged = bytes.slice();
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    expect([...readRecords(damaged)], `byte ${at}`).toEqual([first]);
  }
});
