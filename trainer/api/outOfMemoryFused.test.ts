/** Where our own operations find no memory. TensorFlow waits ten seconds for some before it gives up. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hasFusedOps } from '../engine/operations.ts';
import { start } from '../engine/testSupport.ts';
import { SKIPPED_OPS } from '../testSupport.ts';
import { isOutOfMemory } from './outOfMemory.ts';

/** What a process says that may take so many megabytes for what operations give out. */
function limited(megabytes: number, source: string) {
  return start(source, { TF_CPU_BFC_MEM_LIMIT_IN_MB: String(megabytes), ULMFIT_PLAIN_OPS: '0', ULMFIT_PRECISION: undefined }).ending;
}

const module = (path: string): string => JSON.stringify(new URL(`../${path}`, import.meta.url).href);

describe.skipIf(!hasFusedOps)(`our own operations without memory${SKIPPED_OPS}`, () => {
  // Inputs of 17.8 MB, and two outputs of 4.2 MB each.
  test.concurrent.each([
    ['first', 20],
    ['second', 24],
  ])('an operation whose %s output does not fit throws, and the next one works', async (_, megabytes) => {
    const { status, stderr, stdout } = await limited(
      megabytes,
      `
      import { lstmForward } from ${module('engine/fusedOps.ts')};
      import { tf } from ${module('engine/operations.ts')};
      import { Packing } from ${module('engine/packing.ts')};
      import { exactOperand } from ${module('engine/products.ts')};
      const layer = (time, batch, hidden) => {
        const state = { hidden: tf.zeros([batch, hidden]), cell: tf.zeros([batch, hidden]) };
        // Repeated by an operation: where the memory for a copy of a host's array is missing, TensorFlow's TF_NewTensor crashes.
        const rows = (count) => tf.tile(tf.zeros([1, 4 * hidden]), [count, 1]);
        return lstmForward(exactOperand(rows(time * batch)), rows(hidden), tf.zeros([4 * hidden]), state, Packing.rectangle(time, batch));
      };
      let failed = '';
      try { tf.tidy(() => layer(256, 16, 256)); } catch (error) { failed = error.message; }
      const { outputs } = layer(3, 2, 4);
      console.log(JSON.stringify({ failed, values: [...outputs.dataSync()] }));`,
    );
    expect(status, stderr).toBe(0);
    const { failed, values } = JSON.parse(stdout) as { failed: string; values: number[] };
    expect(failed).toMatch(/^Invalid TF_Status: 8\nMessage: OOM when allocating tensor with shape\[4112,256\]/);
    expect(isOutOfMemory(new Error(failed))).toBe(true);
    expect(values).toEqual(new Array(4 * 2 * 4).fill(0));
  });

  test.concurrent('a run that finds no memory ends with what would fit and exit code 2', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ulmfit-memory-'));
    const words = Array.from({ length: 30_000 }, (_, place) => `word${(place * 7919) % 997}`);
    writeFileSync(
      join(folder, 'corpus.txt'),
      Array.from({ length: 30 }, (_, line) => words.slice(line * 1000, (line + 1) * 1000).join(' ')).join('\n\n'),
    );
    const args = ['pretrain', join(folder, 'corpus.txt'), '--out', join(folder, 'lm'), '--preset', 'small', '--max-steps', '2'];
    const ending = await limited(
      80,
      `
      process.argv.splice(1, 0, 'ulmfit');
      import { main } from ${module('main.ts')};
      await main(${JSON.stringify([...args, '--device', 'cpu'])});`,
    );
    rmSync(folder, { recursive: true });
    expect(ending.stderr).toMatch(/\nThis machine \(\d+ GB\) has too little memory for --batch 64: .* --batch 32 would fit\.\n$/);
    expect(ending.status).toBe(2);
  });
});
