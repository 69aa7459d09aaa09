import { join } from 'node:path';

import { expect, it } from 'vitest';
import { unstable_readConfig as readConfig } from 'wrangler';

import { checkWorkerName, workerConfig, workerNameOf } from './workerConfig.ts';

const MINIMAL = { name: 'reviews', sessions: false, jobs: false, int8: false } as const;

it('is what wrangler.jsonc says, where nothing else is asked for', () => {
  const local = readConfig({ config: join(import.meta.dirname, '..', 'wrangler.jsonc') });
  const { main, compatibility_date, compatibility_flags, assets, observability } = workerConfig(MINIMAL, '/deployment');
  expect(main).toBe(local.main);
  expect({ compatibility_date, compatibility_flags }).toEqual({
    compatibility_date: local.compatibility_date,
    compatibility_flags: local.compatibility_flags,
  });
  expect({ ...assets, directory: '' }).toEqual({ ...local.assets, directory: '' });
  expect(observability).toEqual({ enabled: local.observability?.enabled });
});

it('binds nothing that was not asked for', () => {
  const config = workerConfig(MINIMAL, '/deployment');
  for (const key of ['durable_objects', 'migrations', 'r2_buckets', 'queues', 'ratelimits', 'vars', 'define'])
    expect(config).not.toHaveProperty(key);
});

it('binds what was asked for', () => {
  const config = workerConfig({ name: 'reviews', sessions: true, jobs: true, int8: true, requestsPerMinute: 600 }, '/deployment');
  expect(config).toMatchObject({
    define: { WITH_ONNXRUNTIME: 'false' },
    durable_objects: { bindings: [{ name: 'SESSIONS', class_name: 'SessionObject' }] },
    migrations: [{ new_sqlite_classes: ['SessionObject'] }],
    r2_buckets: [{ binding: 'JOBS', bucket_name: 'reviews-jobs' }],
    queues: {
      producers: [{ binding: 'JOB_PARTS', queue: 'reviews-jobs' }],
      consumers: [{ queue: 'reviews-jobs', max_batch_size: 1, dead_letter_queue: 'reviews-jobs-dead' }, { queue: 'reviews-jobs-dead' }],
    },
    ratelimits: [{ name: 'RATE_LIMITER', simple: { limit: 600, period: 60 } }],
  });
});

it('counts the requests of each Worker apart', () => {
  const counter = (name: string) => workerConfig({ ...MINIMAL, name, requestsPerMinute: 60 }, '/deployment').ratelimits?.[0]?.namespace_id;
  expect(counter('reviews')).toMatch(/^[1-9]\d*$/);
  expect(counter('reviews')).toBe(counter('reviews'));
  expect(counter('reviews')).not.toBe(counter('letters'));
});

it.each([
  ['Movie_Reviews', 'movie-reviews'],
  ['-reviews.v2-', 'reviews-v2'],
  ['x'.repeat(80), 'x'.repeat(50)],
])('makes a name of a bundle: %s', (bundle, name) => {
  expect(workerNameOf(bundle)).toBe(name);
  expect(() => checkWorkerName(name)).not.toThrow();
});

it.each(['', 'Reviews', 'a b', '-a', 'a-', 'a'.repeat(51), '../up'])('refuses the name "%s"', (name) => {
  expect(() => checkWorkerName(name)).toThrow('--name');
});
