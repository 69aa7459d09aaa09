import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { join } from 'node:path';

import { defineConfig } from 'vitest/config';

// No look-up of the place that requests claim to come from, and no usage report.
process.env['CLOUDFLARE_CF_FETCH_ENABLED'] = 'false';
process.env['WRANGLER_SEND_METRICS'] = 'false';

// Where a test run leaves its counts, when somebody wants to add them up.
const reports = process.env['ULMFIT_TEST_REPORTS'];

/** The Worker's tests run inside workerd, offline, on a small bundle that globalSetup.ts writes and answers on Node. */
export default defineConfig({
  root: import.meta.dirname,
  // As in wrangler.jsonc; globalSetup.ts writes it.
  resolve: { alias: { '#onnxruntime-module': join(import.meta.dirname, 'dist', 'onnxruntime', 'onnxRuntimeModule.js') } },
  plugins: [
    cloudflareTest(({ inject }) => ({
      wrangler: { configPath: './wrangler.jsonc' },
      miniflare: {
        assets: { directory: inject('assetsFolder'), binding: 'ASSETS' },
        // All that a deployment may have; what it does without them is asked with an environment of the test's own.
        durableObjects: { SESSIONS: { className: 'SessionObject', useSQLite: true } },
        r2Buckets: ['JOBS'],
        queueProducers: { JOB_PARTS: 'usual-jobs' },
        queueConsumers: { 'usual-jobs': { maxBatchSize: 1, maxBatchTimeout: 0, deadLetterQueue: 'usual-jobs-dead' } },
      },
    })),
  ],
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['./test/globalSetup.ts'],
    // The first test of a file waits until workerd has compiled onnxruntime, which takes its time on a busy machine.
    testTimeout: 150_000,
    reporters: reports === undefined ? ['default'] : ['default', 'json'],
    ...(reports !== undefined && { outputFile: { json: join(reports, 'workers.json') } }),
  },
});
