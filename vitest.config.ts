import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Where a test run leaves its counts, when somebody wants to add them up.
const reports = process.env['ULMFIT_TEST_REPORTS'];

export default defineConfig({
  test: {
    include: ['{text,trainer,export,serve,test}/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: reports === undefined ? ['default'] : ['default', 'json'],
    ...(reports !== undefined && { outputFile: { json: join(reports, 'node.json') } }),
  },
});
