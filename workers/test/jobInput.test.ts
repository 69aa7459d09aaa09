import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { PartCutter, storeInput, UPLOAD_BYTES } from '../src/jobs/jobInput.ts';

const encode = (text: string) => new TextEncoder().encode(text);

const streamOf = (pieces: readonly Uint8Array[]) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });

it('cuts an input into whole lines, wherever its pieces end', () => {
  const line = fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) => text.replaceAll('\n', ' '));
  const limits = { maxBytes: 40, maxLines: 4 };
  fc.assert(
    fc.property(fc.array(line), fc.boolean(), fc.array(fc.nat(200)), (lines, endsInBreak, cuts) => {
      const text = lines.join('\n') + (endsInBreak && lines.length > 0 ? '\n' : '');
      const bytes = encode(text);
      const ends = [...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].toSorted((one, other) => one - other);
      const cutter = new PartCutter(limits);
      for (const [index, end] of ends.entries()) cutter.add(bytes.subarray(ends[index - 1] ?? 0, end));
      const parts = cutter.end();

      const found = parts.map(({ offset, length }) => new TextDecoder().decode(bytes.subarray(offset, offset + length)));
      expect(found.join('')).toBe(text);
      const breaks = (piece: string) => piece.split('\n').length - (piece.endsWith('\n') ? 1 : 0);
      let next = 1;
      for (const [index, { firstLine, lines: count, length }] of parts.entries()) {
        const piece = found[index] ?? '';
        expect(firstLine).toBe(next);
        expect(count).toBe(breaks(piece));
        expect(piece.endsWith('\n') || index === parts.length - 1).toBe(true);
        expect(count).toBeLessThanOrEqual(limits.maxLines);
        expect(length <= limits.maxBytes || count === 1).toBe(true);
        next += count;
      }
    }),
  );
});

it('stores a body that is larger than a piece of the upload, byte for byte', async () => {
  const line = encode(`{"text": "${'good film '.repeat(60)}"}\n`);
  const copies = Math.ceil((UPLOAD_BYTES * 1.5) / line.length);
  const parts = await storeInput(env.JOBS, 'test/large', streamOf(Array.from({ length: copies }, () => line)));
  const stored = await env.JOBS.get('test/large');
  expect(stored?.size).toBe(copies * line.length);
  expect(parts.reduce((sum, { lines }) => sum + lines, 0)).toBe(copies);
  for (const { offset, length } of [parts[0], parts.at(-2), parts.at(-1)].flatMap((part) => part ?? [])) {
    const ranged = await env.JOBS.get('test/large', { range: { offset, length } });
    const text = await new Response(ranged?.body).text();
    expect(text.startsWith('{"text": "good')).toBe(true);
    expect(text.endsWith('"}\n')).toBe(true);
  }
});

it('leaves nothing where there is nothing', async () => {
  expect(await storeInput(env.JOBS, 'test/empty', streamOf([]))).toEqual([]);
  expect(await env.JOBS.head('test/empty')).toBeNull();
});

it('leaves nothing of a body that breaks off', async () => {
  let sent = 0;
  const broken = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 1;
      if (sent > 10) controller.error(new Error('The client left.'));
      else controller.enqueue(new Uint8Array(UPLOAD_BYTES / 8).fill(0x61));
    },
  });
  await expect(storeInput(env.JOBS, 'test/broken', broken)).rejects.toThrow('The client left.');
  expect(await env.JOBS.head('test/broken')).toBeNull();
});
