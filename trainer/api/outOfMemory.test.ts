import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../text/errors.ts';
import { ENGINE_MISSING, start } from '../engine/testSupport.ts';
import type { Workload } from '../engine/memory.ts';
import { isOutOfMemory, outOfMemory } from './outOfMemory.ts';

const BASE: Workload = { sizes: { vocabulary: 60_000, embedding: 400, hidden: 1152, layers: 3 }, tokens: 70, predictsWords: true };
const T4 = { holder: 'The GPU (NVIDIA T4, 16 GB)', bytes: 16e9 };

describe('the answer', () => {
  test('names what there is, what is needed and what would fit', () => {
    const error = outOfMemory(T4, BASE, 4096);
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toMatch(
      /^The GPU \(NVIDIA T4, 16 GB\) has too little memory for --batch 4096: a training step takes about \d\d GB\. --batch (\d+) would fit\.$/,
    );
    const batch = Number(/--batch (\d+) would fit/.exec(error.message)?.[1]);
    expect(batch).toBeGreaterThan(512);
    expect(batch).toBeLessThan(2000);
  });

  test('never names more than half of what has failed', () => {
    expect(outOfMemory({ ...T4, bytes: 640e9 }, BASE, 64).message).toMatch(/--batch 32 would fit\.$/);
    expect(outOfMemory({ holder: 'The GPU', bytes: undefined }, BASE, 64).message).toMatch(
      /^The GPU has .* --batch 32 takes half of it\.$/,
    );
  });

  test('names a smaller model where nothing fits', () => {
    expect(outOfMemory({ ...T4, bytes: 1e9 }, BASE, 64).message).toMatch(/Not even one item of a batch fits: take a smaller model/);
    expect(outOfMemory(T4, BASE, 1).message).toMatch(/Not even one item/);
  });
});

test('TensorFlow’s words are known', () => {
  const said =
    'Invalid TF_Status: 8\nMessage: OOM when allocating tensor with shape[67,64,512] and type float on /device:GPU:0 by allocator GPU_0_bfc';
  expect(isOutOfMemory(new Error(said))).toBe(true);
  expect(isOutOfMemory(new Error('Invalid TF_Status: 3'))).toBe(false);
  expect(isOutOfMemory('OOM when allocating')).toBe(false);
});

test.skipIf(ENGINE_MISSING)('a run that finds no memory ends with that answer and exit code 2', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ulmfit-memory-'));
  const words = Array.from({ length: 30_000 }, (_, place) => `word${(place * 7919) % 997}`);
  writeFileSync(
    join(folder, 'corpus.txt'),
    Array.from({ length: 30 }, (_, line) => words.slice(line * 1000, (line + 1) * 1000).join(' ')).join('\n\n'),
  );
  const source = `
    process.argv.splice(1, 0, 'ulmfit');
    import { main } from ${JSON.stringify(new URL('../main.ts', import.meta.url).href)};
    await main(${JSON.stringify(['pretrain', join(folder, 'corpus.txt'), '--out', join(folder, 'lm'), '--preset', 'small', '--max-steps', '2', '--device', 'cpu'])});`;
  // TensorFlow's own operations, and an allocator that stops at 200 MB.
  const ending = await start(source, { TF_CPU_BFC_MEM_LIMIT_IN_MB: '200', ULMFIT_PLAIN_OPS: '1', ULMFIT_PRECISION: undefined }).ending;
  rmSync(folder, { recursive: true });
  expect(ending.stderr).toMatch(
    /\nThis machine \(\d+ GB\) has too little memory for --batch 64: a training step takes about [\d.]+ GB\. --batch 32 would fit\.\n$/,
  );
  expect(ending.status).toBe(2);
});
