import { Hono } from 'hono';
import { methodNotAllowed } from 'hono/method-not-allowed';

import type { Classifier } from './classifier.ts';
import { errorResponse, HttpError, stoppingError, toHttpError } from './errors.ts';
import { classifyRoute } from './routes/classify.ts';
import { healthRoute } from './routes/health.ts';
import { modelsRoute } from './routes/models.ts';

/** What requests may ask for. */
export const DEFAULT_LIMITS = {
  /** 8 MiB: more than a million words. */
  maxBodyBytes: 8 * 1024 * 1024,
  /** Texts in one request. */
  maxTexts: 128,
  /** Documents in flight, of all requests together. A waiting document costs its ids and one state (tens of kB). */
  maxQueue: 256,
  /** Documents in one graph call. */
  maxBatch: 16,
  /** How long a request may wait for its answer. */
  deadlineMilliseconds: 120_000,
} as const;

export interface AppOptions {
  readonly classifier: Classifier;
  readonly maxBodyBytes?: number | undefined;
  readonly maxTexts?: number | undefined;
  readonly deadlineMilliseconds?: number | undefined;
  /** True from the moment when nothing new may come in. */
  readonly isStopping?: (() => boolean) | undefined;
  /** Aborted when what is in flight must be given up. */
  readonly shutdown?: AbortSignal | undefined;
  /** Told of every fault of the server, the kind that a client sees as 500 without detail. */
  readonly onFault?: ((error: unknown) => void) | undefined;
}

/** "Client closed request": nobody reads it. The number is nginx's, for logs and metrics. */
const CLIENT_CLOSED_REQUEST = 499;

/**
 * The HTTP interface of a classifier, free of any platform: Node, an edge isolate and a test call it alike.
 *
 * @example
 * const classifier = await openBundle('bundles/reviews'); // in a Worker: a Classifier of one's own
 * const app = createApp({ classifier });
 * const response = await app.request('/v1/classify', {
 *   method: 'POST',
 *   headers: { 'content-type': 'application/json' },
 *   body: JSON.stringify({ inputs: 'The film is great and funny.', parameters: { top_k: 1 } }),
 * });
 * await response.json(); // [{ label: 'pos', score: … }]
 * await classifier.dispose();
 */
export function createApp(options: AppOptions): Hono {
  const { classifier, isStopping = () => false, shutdown, onFault } = options;
  const maxBodyBytes = options.maxBodyBytes ?? DEFAULT_LIMITS.maxBodyBytes;
  // A request with more texts than places in the queue could never be answered.
  const maxTexts = Math.min(options.maxTexts ?? DEFAULT_LIMITS.maxTexts, classifier.maxQueue);
  const deadlineMilliseconds = options.deadlineMilliseconds ?? DEFAULT_LIMITS.deadlineMilliseconds;

  const app = new Hono();
  app.use(methodNotAllowed({ app, onMethodNotAllowed: (context, methods) => errorResponse(context, methodError(methods)) }));
  app.use('/v1/*', async (_context, next) => {
    if (isStopping()) throw stoppingError();
    await next();
  });
  app.route('/', healthRoute(isStopping));
  app.route('/', modelsRoute(classifier.bundle, { maxBodyBytes, maxTexts }));
  app.route('/', classifyRoute({ classifier, maxBodyBytes, maxTexts, deadlineMilliseconds, shutdown }));
  app.notFound((context) =>
    errorResponse(context, new HttpError(404, 'not_found', 'There is nothing at this address. Try POST /v1/classify.')),
  );
  app.onError((error, context) => {
    if (context.req.raw.signal.aborted) return new Response(null, { status: CLIENT_CLOSED_REQUEST });
    const answer = toHttpError(error);
    if (answer.status === 500) onFault?.(error);
    return errorResponse(context, answer);
  });
  return app;
}

function methodError(methods: readonly string[]): HttpError {
  const allowed = methods.join(', ');
  return new HttpError(405, 'method_not_allowed', `This address takes ${allowed}.`, { allow: allowed });
}
