import { expect, it } from 'vitest';

import { activeMilliseconds } from './buildWorker.ts';
import { findings, LIMITS, type Measured, requireWithin } from './limits.ts';

const MEASURED: Measured = {
  codeBytes: 15 * 2 ** 20,
  codeGzipBytes: 4 * 2 ** 20,
  assets: [
    { name: 'bundle.json', bytes: 2_000 },
    { name: 'forward-weights-00.bin', bytes: 8 * 2 ** 20 },
  ],
  startupMilliseconds: 299.4,
};

it('tells what was measured beside its limit', () => {
  expect(findings(MEASURED)).toEqual([
    { what: 'code', found: '15.0 MiB, 4.0 MiB compressed', limit: '16 MiB', isWithin: true },
    {
      what: 'model',
      found: '2 files, 8.0 MiB, the largest (forward-weights-00.bin) 8.0 MiB',
      limit: '20000 files of 24 MiB',
      isWithin: true,
    },
    { what: 'start-up', found: '299 ms on this machine', limit: '1000 ms', isWithin: true },
  ]);
  expect(() => requireWithin(findings(MEASURED))).not.toThrow();
});

it.each<[string, Partial<Measured>, string]>([
  ['code', { codeBytes: LIMITS.codeBytes + 1 }, 'code: 16.0 MiB'],
  [
    'a file',
    { assets: [{ name: 'forward-weights-00.bin', bytes: LIMITS.assetBytes + 1 }] },
    'the largest (forward-weights-00.bin) 24.0 MiB',
  ],
  ['the number of files', { assets: Array.from({ length: 20_001 }, (_, index) => ({ name: `${index}`, bytes: 1 })) }, 'model: 20001 files'],
  ['the start', { startupMilliseconds: 1001 }, 'start-up: 1001 ms'],
])('refuses %s over its limit', (_what, change, sentence) => {
  expect(() => requireWithin(findings({ ...MEASURED, ...change }))).toThrow(sentence);
});

it('counts the time of a profile in which something was at work', () => {
  const node = (id: number, functionName: string) => ({ id, callFrame: { functionName } });
  const profile = {
    nodes: [node(1, '(root)'), node(2, '(idle)'), node(3, 'start')],
    samples: [3, 2, 3, 1],
    timeDeltas: [1_000, 50_000, 2_000, 500],
  };
  expect(activeMilliseconds(profile)).toBe(3.5);
});
