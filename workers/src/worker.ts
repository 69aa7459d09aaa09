import { errorBody } from '../../serve/errors.ts';
import type { Env } from './environment.ts';
import { EDGE_LIMITS, jobStoreOf, readyIsolate, type Isolate } from './isolate.ts';
import type { PartMessage } from './jobs/job.ts';
import { consumeDeadLetters, consumeParts } from './jobs/jobConsumer.ts';
import { DEAD_LETTERS_SUFFIX, VERSION_HEADER } from './names.ts';

export type { Env } from './environment.ts';
export { SessionObject } from './sessionObject.ts';

/** When to try again after a failed load: whatever was in the way may have gone, or another isolate may answer. */
const RETRY_AFTER_SECONDS = 10;

export default {
  /** Serves the deployed bundle: the same routes as the server, from the same app. */
  async fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
    const response = respond(request, env);
    // When a client hangs up, its request lives on until the documents have left the line, or the model is loaded for others.
    context.waitUntil(response);
    return response;
  },

  /** Answers the parts of jobs, and notes those that were given up. */
  async queue(batch: MessageBatch<PartMessage>, env: Env): Promise<void> {
    const store = jobStoreOf(env);
    if (store === undefined) throw new Error('Parts of jobs are delivered to a deployment without the bindings of jobs.');
    if (batch.queue.endsWith(DEAD_LETTERS_SUFFIX)) return consumeDeadLetters(batch, { store });
    const classifier = async () => (await readyIsolate(env)).classifier;
    return consumeParts(batch, { store, classifier, limits: EDGE_LIMITS });
  },
};

async function respond(request: Request, env: Env): Promise<Response> {
  let isolate: Isolate;
  try {
    isolate = await readyIsolate(env);
  } catch (error) {
    console.error(error);
    return Response.json(errorBody('unavailable', 'The model could not be loaded. The cause is in the log.'), {
      status: 503,
      headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
    });
  }
  const response = await isolate.app.fetch(request);
  if (env.VERSION !== undefined) response.headers.set(VERSION_HEADER, env.VERSION.id);
  return response;
}
