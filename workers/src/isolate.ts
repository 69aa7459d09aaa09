import type { Context } from 'hono';

import { createApp } from '../../serve/app.ts';
import { Classifier } from '../../serve/classifier.ts';
import { HttpError } from '../../serve/errors.ts';
import { fixedModels } from '../../serve/modelRegistry.ts';
import type { PlaygroundFile } from '../../serve/routes/playground.ts';
import type { App } from '../../serve/service.ts';
import { PLAYGROUND_ASSETS } from './names.ts';
import { findAsset } from './assets.ts';
import { readDownloads } from './downloads.ts';
import { EdgeMetrics } from './edgeMetrics.ts';
import { loadEdgeBundle } from './edgeRuntime.ts';
import { parseKeys, type Env } from './environment.ts';
import { jobRoutes, jobRoutesDisabled } from './jobs/jobRoutes.ts';
import { JobStore } from './jobs/jobStore.ts';
import { NoSessions, SessionObjects } from './sessionObject.ts';

/** An isolate has 128 MB for everything: fewer rows in a call, fewer documents and smaller bodies than on a server. */
export const EDGE_LIMITS = {
  maxBatch: 8,
  maxQueue: 64,
  maxTexts: 32,
  maxBodyBytes: 2 * 1024 * 1024,
  maxTextLength: 2_000_000,
  deadlineMilliseconds: 60_000,
} as const;

/** How often a request looks whether another one has loaded the model, and for how long. */
const LOAD_POLL_MILLISECONDS = 20;
const LOAD_DEADLINE_MILLISECONDS = 30_000;

/** The window of the platform's counter of requests. */
const RATE_WINDOW_SECONDS = 60;

/** What answers in this isolate. */
export interface Isolate {
  readonly app: App;
  readonly classifier: Classifier;
}

/** Only a cache: an isolate, and with it the model, can vanish between two requests. */
let loaded: Isolate | undefined;
let isLoading = false;

/**
 * The app on the loaded model. The isolate's first request loads it; the others look again and again whether it is there, for
 * a request may not wait for a promise that another one settles.
 */
export async function readyIsolate(env: Env): Promise<Isolate> {
  const deadline = Date.now() + LOAD_DEADLINE_MILLISECONDS;
  while (loaded === undefined && isLoading) {
    if (Date.now() > deadline) throw new Error('Another request has been loading the model for too long.');
    await wait(LOAD_POLL_MILLISECONDS);
  }
  loaded ??= await load(env);
  return loaded;
}

async function load(env: Env): Promise<Isolate> {
  isLoading = true;
  try {
    const keys = env.API_KEYS === undefined ? undefined : parseKeys(env.API_KEYS);
    const metrics = new EdgeMetrics(env.VERSION?.id);
    // A WebAssembly call keeps the isolate's only thread: between two of them other requests, and timers, have their turn.
    const betweenTurns = () => wait(0);
    const [loadedBundle, files] = await Promise.all([loadEdgeBundle(env.ASSETS), readDownloads(env.ASSETS)]);
    const classifier = new Classifier(loadedBundle, { ...EDGE_LIMITS, betweenTurns, onTurn: metrics.onTurn });
    const jobs = jobStoreOf(env);
    const app = createApp({
      ...EDGE_LIMITS,
      models: fixedModels([classifier], () => files),
      sessions: env.SESSIONS === undefined ? new NoSessions() : new SessionObjects(env.SESSIONS),
      stateSecret: env.STATE_SECRET,
      keys: keys && (() => keys),
      rateLimiter: env.RATE_LIMITER && { take: takerOf(env.RATE_LIMITER) },
      requestsPerMinute: env.REQUESTS_PER_MINUTE,
      clientAddress,
      playground: (file) => playgroundFile(env.ASSETS, file),
      further: [
        metrics.routes(() => classifier.inFlight),
        jobs === undefined ? jobRoutesDisabled() : jobRoutes(jobs, classifier.bundle.task),
      ],
      onRequest: metrics.onRequest,
      onFault: (error) => console.error(error),
    });
    return { app, classifier };
  } finally {
    isLoading = false;
  }
}

/** Where jobs are kept, if this deployment takes any. */
export function jobStoreOf({ JOBS, JOB_PARTS }: Env): JobStore | undefined {
  return JOBS === undefined || JOB_PARTS === undefined ? undefined : new JobStore(JOBS, JOB_PARTS);
}

function takerOf(limiter: RateLimit): (client: string) => Promise<number> {
  return async (key) => ((await limiter.limit({ key })).success ? 0 : RATE_WINDOW_SECONDS);
}

/** @throws HttpError 404 for what only other deployments have */
async function playgroundFile(assets: Fetcher, file: PlaygroundFile): Promise<ReadableStream<Uint8Array>> {
  const found = await findAsset(assets, `${PLAYGROUND_ASSETS}/${file}`);
  if (found?.body == null) throw new HttpError(404, 'not_found', 'This deployment has no such file.');
  return found.body;
}

/** The platform puts it there, in place of what a client sends. */
const clientAddress = (context: Context) => context.req.header('cf-connecting-ip');

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
