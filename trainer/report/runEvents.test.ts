import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';

import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { beginEvents, decodeEvents, encodeEvent, readEvents, scalarsOf } from './runEvents.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

it('writes the same bytes as TensorBoard', async () => {
  // tensorboard 2.21.0: RecordWriter.write(Event(...).SerializeToString())
  const wallTime = 1_700_000_000.25;
  expect(hex(encodeEvent({ wallTime, step: 300, scalars: { loss: 0.25, accuracy: 0.5 } }))).toBe(
    '2c00000000000000f4aecc450900001040fc54d94110ac022a1e0a0b0a046c6f7373150000803e0a0f0a086163637572616379150000003f2b918690',
  );
  expect(hex(encodeEvent({ wallTime, step: 301, scalars: undefined }))).toBe(
    '100000000000000095fbfe180900001040fc54d94110ad023a020801cb79b93b',
  );
  const folder = await temporaryFolder();
  const version = '1800000000000000a37f4b220900001040fc54d9411a0d627261696e2e4576656e743a32338d2fe9';
  expect(hex(await readFile(await beginEvents(folder, [], 1000 * wallTime)))).toMatch(new RegExp(`^${version}`));
});

it('reads what it writes, and skips what it does not know', () => {
  const events = [
    { wallTime: 1.5, step: 0, scalars: undefined },
    { wallTime: 2.5, step: 2 ** 40, scalars: { loss: 0.5, Größe: -3 } },
    { wallTime: 3.5, step: 7, scalars: {} },
  ];
  const bytes = Buffer.concat(events.map(encodeEvent));
  expect(decodeEvents(bytes)).toEqual(events);
});

it('takes the finite numbers of a line, without the step', () => {
  expect(scalarsOf({ step: 3, epoch: 1, loss: Number.NaN, accuracy: 0.5, note: 'text' })).toEqual({ epoch: 1, accuracy: 0.5 });
});

it('begins anew with the lines that are kept, at the times they happened', async () => {
  const folder = await temporaryFolder();
  const lines = [1, 2, 3].map((step) => ({ step, loss: 4 - step }));
  const first = await beginEvents(folder, [], 10_000);
  for (const [index, { step, loss }] of lines.entries()) {
    await appendFile(first, encodeEvent({ wallTime: 20 + index, step, scalars: { loss } }));
  }
  await appendFile(first, 'cut short');
  await writeFile(join(folder, 'notes.txt'), 'another file');

  const second = await beginEvents(folder, lines.slice(0, 2), 60_000);
  expect((await readdir(folder)).toSorted()).toEqual(['events.out.tfevents.60.ulmfit', 'notes.txt']);
  const kept = [
    { wallTime: 10, step: 0, scalars: undefined },
    { wallTime: 20, step: 1, scalars: { loss: 3 } },
    { wallTime: 21, step: 2, scalars: { loss: 2 } },
  ];
  expect(await readEvents(folder)).toEqual([...kept, { wallTime: 60, step: 3, scalars: undefined }]);

  // Going on twice from the same place leaves one beginning there.
  await appendFile(second, encodeEvent({ wallTime: 61, step: 3, scalars: { loss: 1 } }));
  await beginEvents(folder, lines.slice(0, 2), 90_000);
  expect(await readEvents(folder)).toEqual([...kept, { wallTime: 90, step: 3, scalars: undefined }]);

  // Beginning at the first step is a new run.
  await beginEvents(folder, [], 99_000);
  expect(await readEvents(folder)).toEqual([{ wallTime: 99, step: 0, scalars: undefined }]);
});

it('makes events of lines whose times are not known', async () => {
  const folder = await temporaryFolder();
  await beginEvents(folder, [{ step: 1, loss: 2 }], 5000);
  expect((await readEvents(folder)).filter(({ scalars }) => scalars)).toEqual([{ wallTime: 5, step: 1, scalars: { loss: 2 } }]);
});
