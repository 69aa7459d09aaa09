import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Where a test run leaves its counts, when somebody wants to add them up.
const reports = process.env['ULMFIT_TEST_REPORTS'];

/** Where a program of this repository says `ulmfit/text`, it means the sources. The others are vite's own. */
const conditions = ['ulmfit-source', 'module', 'node', 'development|production'];

export default defineConfig({
  ssr: { resolve: { conditions } },
  test: {
    // Tolerances are those of fp32 on the processor; a GPU is tested by naming it.
    env: { ULMFIT_DEVICE: process.env['ULMFIT_DEVICE'] ?? 'cpu' },
    include: ['{text,trainer,export,serve,benchmark,test,workers/deploy}/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: reports === undefined ? ['default'] : ['default', 'json'],
    ...(reports !== undefined && { outputFile: { json: join(reports, 'node.json') } }),
  },
});
