import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

import { buildKernels, findCompiler } from '../../workers/kernel/build.ts';

const compiler = findCompiler();

it.skipIf(compiler === undefined)('the kernels in the repository are what their source compiles to', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ulmfit-kernel-'));
  try {
    await buildKernels(compiler ?? '', folder);
    for (const name of ['lstm-relaxed.wasm', 'lstm-plain.wasm']) {
      const [built, kept] = await Promise.all([folder, 'workers/kernel'].map((place) => readFile(join(place, name))));
      expect(built?.equals(kept ?? Buffer.of()), `${name}: run \`node workers/kernel/build.ts\``).toBe(true);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
