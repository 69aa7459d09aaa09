/** The wrangler configuration of a deployment: what wrangler.jsonc says, and what was asked for besides. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';

import { UserError } from '../../text/errors.ts';
import { ONNXRUNTIME_IMPORT, ONNXRUNTIME_SCRIPT } from '../onnxRuntimeModule.ts';
import { WORKERS_FOLDER } from '../program.ts';
import { DEAD_LETTERS_SUFFIX } from '../src/names.ts';

/** What a deployment may have besides the routes that answer at once. */
export interface WorkerFeatures {
  /** The Worker's name, which is part of its address. */
  readonly name: string;
  /** Documents that arrive in pieces, kept in Durable Objects. */
  readonly sessions: boolean;
  /** Bulk jobs, kept in R2 and spread by Queues. */
  readonly jobs: boolean;
  /** Requests a minute of each key or address; no limit unless told. */
  readonly requestsPerMinute?: number | undefined;
  /** The weights are packed for the kernel of our own, and onnxruntime-web stays out. */
  readonly int8: boolean;
}

/** Runs of a part before it is given up: the first attempt and these. */
const MAX_RETRIES = 4;
/** Processor time of one request, or one part of a job; the platform's own limit is 30 s unless told, 5 min at most. */
const JOB_CPU_MILLISECONDS = 300_000;

/** Where the module of onnxruntime-web lies in a deployment's folder. */
export const ONNXRUNTIME_FOLDER = 'onnxruntime';

/** Names of what a deployment with jobs needs in the account. */
export const jobResources = (name: string) => ({
  bucket: `${name}-jobs`,
  queue: `${name}-jobs`,
  deadLetters: `${name}-jobs${DEAD_LETTERS_SUFFIX}`,
});

/**
 * Checks a name that somebody wants to give a Worker.
 *
 * @throws UserError where the platform would refuse it.
 */
export function checkWorkerName(name: string): void {
  if (/^[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?$/.test(name)) return;
  throw new UserError(
    `A Worker cannot have the name "${name}": it needs up to 50 small letters, digits and "-", and a letter or digit at both ends. Give one with --name.`,
  );
}

/** The name that a Worker gets from its bundle's: `Movie_Reviews` becomes `movie-reviews`. */
export function workerNameOf(bundleName: string): string {
  return bundleName
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 50)
    .replaceAll(/^-+|-+$/g, '');
}

/** The number of a Worker's counter of requests. Workers of one account that give the same one count together. */
const counterOf = (name: string): string => String(1 + (createHash('sha256').update(name).digest().readUInt32BE() >>> 1));

/**
 * The configuration, as JSON.
 *
 * @param folder where it will lie, with the model's files in `assets`, and onnxruntime-web's module in `onnxruntime`
 */
export function workerConfig({ name, sessions, jobs, requestsPerMinute, int8 }: WorkerFeatures, folder: string) {
  const { bucket, queue, deadLetters } = jobResources(name);
  return {
    name,
    main: join(WORKERS_FOLDER, 'src', 'worker.ts'),
    compatibility_date: '2026-11-01',
    compatibility_flags: ['enable_request_signal'],
    assets: { directory: join(folder, 'assets'), binding: 'ASSETS', run_worker_first: true, html_handling: 'none' },
    version_metadata: { binding: 'VERSION' },
    observability: { enabled: true },
    send_metrics: false,
    workers_dev: true,
    preview_urls: true,
    ...(!int8 && { alias: { [ONNXRUNTIME_IMPORT]: join(folder, ONNXRUNTIME_FOLDER, ONNXRUNTIME_SCRIPT) } }),
    // Secrets are never here: they are uploaded beside the code, see secrets.ts.
    ...(int8 && { define: { WITH_ONNXRUNTIME: 'false' } }),
    ...(requestsPerMinute !== undefined && {
      ratelimits: [{ name: 'RATE_LIMITER', namespace_id: counterOf(name), simple: { limit: requestsPerMinute, period: 60 } }],
      vars: { REQUESTS_PER_MINUTE: requestsPerMinute },
    }),
    ...(sessions && {
      durable_objects: { bindings: [{ name: 'SESSIONS', class_name: 'SessionObject' }] },
      migrations: [{ tag: 'sessions', new_sqlite_classes: ['SessionObject'] }],
    }),
    ...(jobs && {
      limits: { cpu_ms: JOB_CPU_MILLISECONDS },
      r2_buckets: [{ binding: 'JOBS', bucket_name: bucket }],
      queues: {
        producers: [{ binding: 'JOB_PARTS', queue }],
        consumers: [
          // One part at a time, so that one that fails takes no other with it.
          { queue, max_batch_size: 1, max_batch_timeout: 0, max_retries: MAX_RETRIES, dead_letter_queue: deadLetters },
          { queue: deadLetters, max_batch_size: 10, max_batch_timeout: 5, max_retries: 100 },
        ],
      },
    }),
  };
}
