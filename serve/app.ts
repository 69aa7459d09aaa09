import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { requestId } from 'hono/request-id';
import { secureHeaders } from 'hono/secure-headers';

import { errorResponse, HttpError, stoppingError } from './errors.ts';
import { guards, type GuardOptions } from './guards.ts';
import { withDefaultLimits, type LimitOptions } from './limits.ts';
import type { ModelRegistry } from './modelRegistry.ts';
import { recordOf, type RequestRecord } from './requestRecord.ts';
import { adminRoute, type ModelAdmin } from './routes/admin.ts';
import { classifyRoute } from './routes/classify.ts';
import { classifyLinesRoute } from './routes/classifyLines.ts';
import { continueRoute } from './routes/continue.ts';
import { explainRoute } from './routes/explain.ts';
import { filesRoute } from './routes/files.ts';
import { healthRoute } from './routes/health.ts';
import { inferenceRoute } from './routes/inference.ts';
import { modelsRoute } from './routes/models.ts';
import { openApiRoute } from './routes/openApi.ts';
import { playgroundRoute, type PlaygroundContent, type PlaygroundFile } from './routes/playground.ts';
import { sessionsRoute } from './routes/sessions.ts';
import { streamRoute } from './routes/stream.ts';
import type { FurtherRoutes } from './openApi/parts.ts';
import { noteError, type App, type AppEnv, type RequestNotes, type Service } from './service.ts';
import { MemorySessionStore, type SessionStore } from './sessionStore.ts';
import { StateTokens } from './stateToken.ts';

export interface AppOptions extends LimitOptions, GuardOptions {
  /** What is served: {@link fixedModels}, or models that can be exchanged. */
  readonly models: ModelRegistry;
  /** True from the moment when nothing new may come in. */
  readonly isStopping?: (() => boolean) | undefined;
  /** Aborted when what is in flight must be given up. */
  readonly shutdown?: AbortSignal | undefined;
  /** Where documents that arrive in pieces are kept: in memory, unless told. */
  readonly sessions?: SessionStore | undefined;
  /** Signs the state that clients carry, see {@link StateTokens}. Random unless told. */
  readonly stateSecret?: string | undefined;
  /** Told of every fault of the server, the kind that a client sees as 500 without detail. */
  readonly onFault?: ((error: unknown, requestId: string) => void) | undefined;
  /** Told of every request once it is answered. */
  readonly onRequest?: ((record: RequestRecord) => void) | undefined;
  /** Exchanges models on request. Without it, models stay as they are. */
  readonly admin?: ModelAdmin | undefined;
  /** Reads the files of the playground. Without it, there is nothing at `/`. */
  readonly playground?: ((file: PlaygroundFile) => Promise<PlaygroundContent>) | undefined;
  /** Routes beyond those that every server has, with their description. Those below `/v1/` are guarded as its own are. */
  readonly further?: readonly FurtherRoutes[] | undefined;
  /** What `GET /metrics` answers. Without it, there is no such address. */
  readonly metrics?: (() => Promise<Response>) | undefined;
  /** Web sites whose scripts may ask, such as `https://shop.example`; `*` is all of them. None unless told. */
  readonly corsOrigins?: readonly string[] | undefined;
}

/** "Client closed request": nobody reads it. The number is nginx's, for logs and metrics. */
const CLIENT_CLOSED_REQUEST = 499;

/** What scripts of other web sites may read of an answer besides its body. */
const EXPOSED_HEADERS = ['x-request-id', 'retry-after'];

/**
 * The HTTP interface of classifiers, free of any platform: Node, an edge isolate and a test call it alike.
 *
 * @example
 * const classifier = await openBundle('bundles/reviews'); // in a Worker: a Classifier of one's own
 * const app = createApp({ models: fixedModels([classifier]) });
 * const response = await app.request('/v1/classify', {
 *   method: 'POST',
 *   headers: { 'content-type': 'application/json' },
 *   body: JSON.stringify({ inputs: 'The film is great and funny.', parameters: { top_k: 1 } }),
 * });
 * await response.json(); // [{ label: 'pos', score: … }]
 * await classifier.dispose();
 */
export function createApp(options: AppOptions): App {
  const {
    models,
    isStopping = () => false,
    shutdown,
    onFault,
    onRequest,
    admin,
    metrics,
    playground,
    further = [],
    corsOrigins = [],
  } = options;
  const service: Service = {
    models,
    isStopping,
    shutdown,
    onFault,
    limits: withDefaultLimits(options),
    sessions: options.sessions ?? new MemorySessionStore(),
    stateTokens: new StateTokens({ secret: options.stateSecret }),
  };

  const app = new Hono<AppEnv>();
  app.use(requestId());
  app.use(async (context, next) => {
    const started = performance.now();
    const notes: RequestNotes = {};
    context.set('notes', notes);
    try {
      await next();
    } finally {
      notes.release?.();
      onRequest?.(recordOf(context, performance.now() - started));
    }
  });
  app.use(secureHeaders());
  if (corsOrigins.length > 0) app.use(cors({ origin: corsOrigins.includes('*') ? '*' : [...corsOrigins], exposeHeaders: EXPOSED_HEADERS }));
  app.use(methodNotAllowed({ app, onMethodNotAllowed: (context, methods) => errorResponse(context, methodError(methods)) }));
  // Before the guards: what machines ask that have no key, also while the server stops.
  app.route('/', healthRoute(service));
  const guard = guards(options);
  for (const prefix of ['/v1/*', '/v2/*']) {
    app.use(prefix, async (_context, next) => {
      if (isStopping()) throw stoppingError();
      await next();
    });
    app.use(prefix, guard);
  }
  app.route('/', modelsRoute(service));
  app.route('/', filesRoute(service));
  app.route('/', classifyRoute(service));
  app.route('/', streamRoute(service));
  app.route('/', sessionsRoute(service));
  app.route('/', continueRoute(service));
  app.route('/', inferenceRoute(service));
  const downloadable = models.list().some(({ current }) => current.files !== undefined);
  const parts = {
    keys: options.keys !== undefined,
    admin: admin !== undefined,
    metrics: metrics !== undefined,
    playground: playground !== undefined,
    sessions: service.sessions.isMissing !== true,
    downloadable,
  };
  app.route('/', openApiRoute(service, parts, further));
  app.route('/', classifyLinesRoute(service));
  app.route('/', explainRoute(service));
  if (admin !== undefined) app.route('/', adminRoute(service, admin));
  if (metrics !== undefined) app.get('/metrics', metrics);
  if (playground !== undefined) app.route('/', playgroundRoute(playground, downloadable));
  for (const { route } of further) app.route('/', route);
  app.notFound((context) =>
    errorResponse(context, new HttpError(404, 'not_found', 'There is nothing at this address. Try POST /v1/classify.')),
  );
  app.onError((error, context) => {
    if (context.req.raw.signal.aborted) return new Response(null, { status: CLIENT_CLOSED_REQUEST });
    return errorResponse(context, noteError(context, service, error));
  });
  return app;
}

function methodError(methods: readonly string[]): HttpError {
  const allowed = methods.join(', ');
  return new HttpError(405, 'method_not_allowed', `This address takes ${allowed}.`, { allow: allowed });
}
