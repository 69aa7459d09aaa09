import { createApp } from '../../serve/app.ts';
import { Classifier } from '../../serve/classifier.ts';
import { errorBody } from '../../serve/errors.ts';
import { loadEdgeBundle } from './edgeRuntime.ts';
import { fixedModels } from '../../serve/modelRegistry.ts';
import type { App } from '../../serve/service.ts';

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

/** How often a request looks whether another one has loaded the model, and for how long. */
const LOAD_POLL_MILLISECONDS = 20;
const LOAD_DEADLINE_MILLISECONDS = 30_000;

/** When to try again after a failed load: whatever was in the way may have gone, or another isolate may answer. */
const RETRY_AFTER_SECONDS = 10;

/** Only a cache: an isolate, and with it the model, can vanish between two requests. */
let loadedApp: App | undefined;
let isLoading = false;

export default {
  /** Serves the deployed bundle: the same routes as the server, from the same app. */
  async fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
    const response = respond(request, env);
    // When a client hangs up, its request lives on until the documents have left the line, or the model is loaded for others.
    context.waitUntil(response);
    return response;
  },
};

async function respond(request: Request, env: Env): Promise<Response> {
  let app: App;
  try {
    app = await readyApp(env.ASSETS);
  } catch (error) {
    console.error(error);
    return Response.json(errorBody('unavailable', 'The model could not be loaded. The cause is in the log.'), {
      status: 503,
      headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
    });
  }
  return app.fetch(request);
}

/**
 * The app on the loaded model. The isolate's first request loads it; the others look again and again whether it is there, for
 * a request may not wait for a promise that another one settles.
 */
async function readyApp(assets: Fetcher): Promise<App> {
  const deadline = Date.now() + LOAD_DEADLINE_MILLISECONDS;
  while (loadedApp === undefined && isLoading) {
    if (Date.now() > deadline) throw new Error('Another request has been loading the model for too long.');
    await wait(LOAD_POLL_MILLISECONDS);
  }
  loadedApp ??= await loadApp(assets);
  return loadedApp;
}

async function loadApp(assets: Fetcher): Promise<App> {
  isLoading = true;
  try {
    // A WebAssembly call keeps the isolate's only thread: between two of them other requests, and timers, have their turn.
    const classifier = new Classifier(await loadEdgeBundle(assets), { ...EDGE_LIMITS, betweenTurns: () => wait(0) });
    return createApp({ models: fixedModels([classifier]), ...EDGE_LIMITS, onFault: (error) => console.error(error) });
  } finally {
    isLoading = false;
  }
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
