import type { Hono } from 'hono';

import { createApp } from '../../serve/app.ts';
import { Classifier } from '../../serve/classifier.ts';
import { errorBody } from '../../serve/errors.ts';
import { loadEdgeBundle } from './edgeRuntime.ts';

/** What wrangler.jsonc binds. */
export interface Env {
  /** The bundle's files. */
  readonly ASSETS: Fetcher;
}

/** An isolate has 128 MB for everything: fewer rows in a call, fewer documents and smaller bodies than on a server. */
const EDGE_LIMITS = {
  maxBatch: 8,
  maxQueue: 64,
  maxTexts: 32,
  maxBodyBytes: 2 * 1024 * 1024,
  deadlineMilliseconds: 60_000,
} as const;

/** Loaded by the isolate's first request. Only a cache: an isolate, and with it the model, can vanish between two requests. */
let loading: Promise<Hono> | undefined;

export default {
  /** Serves the deployed bundle: the same routes as the server, from the same app. */
  async fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
    let app: Hono;
    try {
      // A failed load is tried again by the next request.
      loading ??= loadApp(env.ASSETS).catch((error: unknown) => {
        loading = undefined;
        throw error;
      });
      // Another request may wait for this one's load: it must go on even when this client hangs up.
      context.waitUntil(loading);
      app = await loading;
    } catch (error) {
      console.error(error);
      return Response.json(errorBody('unavailable', 'The model could not be loaded. The cause is in the log.'), { status: 503 });
    }
    const response = Promise.resolve(app.fetch(request));
    // A client that hangs up aborts request.signal; the documents leave the line only if this request lives to see it.
    context.waitUntil(response);
    return response;
  },
};

async function loadApp(assets: Fetcher): Promise<Hono> {
  const { runtime, vocabulary } = await loadEdgeBundle(assets);
  const classifier = new Classifier(runtime, vocabulary, { ...EDGE_LIMITS, betweenTurns: eventLoopTurn });
  return createApp({ classifier, ...EDGE_LIMITS, onFault: (error) => console.error(error) });
}

/** A WebAssembly call keeps the isolate's only thread: between two of them other requests, and timers, have their turn. */
function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
