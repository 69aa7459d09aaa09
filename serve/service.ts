import type { Context, Hono } from 'hono';

import type { StoredKey } from './apiKeys.ts';
import { type HttpError, modelNotFoundError, toHttpError, type ErrorCode } from './errors.ts';
import type { Limits } from './limits.ts';
import type { ModelRegistry, ServedModel } from './modelRegistry.ts';
import type { SessionStore } from './sessionStore.ts';
import type { StateTokens } from './stateToken.ts';

/** What every route works with. */
export interface Service {
  readonly models: ModelRegistry;
  readonly limits: Limits;
  /** True from the moment when nothing new may come in. */
  readonly isStopping: () => boolean;
  /** Aborted, with the error to answer with, when what is in flight must be given up. */
  readonly shutdown?: AbortSignal | undefined;
  /** Where documents that arrive in pieces are kept between them. */
  readonly sessions: SessionStore;
  /** Seals the state of documents whose state the client keeps. */
  readonly stateTokens: StateTokens;
  /** Told of every fault of the server, the kind that a client sees as 500 without detail. */
  readonly onFault?: ((error: unknown, requestId: string) => void) | undefined;
}

/** What a request turned out to be about, noted by its route for the log and the metrics. Never a text. */
export interface RequestNotes {
  /** That answers. */
  model?: ServedModel;
  /** Lets go of the model: called by the app at the end of the request. */
  release?: () => void;
  /** Texts in the request. */
  texts?: number;
  /** Why it was refused. */
  error?: ErrorCode;
  /** That it came with. */
  key?: StoredKey;
}

/** What a request carries from the app to its route. */
export interface AppEnv {
  Variables: {
    requestId: string;
    notes: RequestNotes;
  };
}

/** The app, and each of its routes before they are put together. */
export type App = Hono<AppEnv>;

/**
 * The addresses of a route that asks a model: for the default model, for a model by its name, and for a version of it.
 *
 * @example
 * modelPaths('/classify'); // ['/v1/classify', '/v1/models/:name/classify', '/v1/models/:name/versions/:version/classify']
 */
export function modelPaths(rest: string): string[] {
  return ['/v1', '/v1/models/:name', '/v1/models/:name/versions/:version'].map((prefix) => prefix + rest);
}

/**
 * The model that a request's address names, noted for the log. It stays in memory until the route has answered; a route that answers
 * with a stream calls the classifier before it returns the stream.
 *
 * @throws HttpError 404 when it is not served.
 */
export function modelOf(context: Context<AppEnv>, models: ModelRegistry): ServedModel {
  const model = models.find(context.req.param('name'), context.req.param('version'));
  if (model === undefined) throw modelNotFoundError();
  holdModel(context, model);
  return model;
}

/** Notes the model that a request asks for, and keeps it in memory until the request is answered. */
export function holdModel({ var: { notes } }: Context<AppEnv>, model: ServedModel): void {
  notes.model = model;
  notes.release?.();
  notes.release = model.classifier.hold();
}

/**
 * What a client is told about an error, whatever the shape in which its route tells it: noted for the log, and a fault of the server
 * is told to whoever watches for them.
 */
export function noteError(context: Context<AppEnv>, { onFault }: Pick<Service, 'onFault'>, error: unknown): HttpError {
  const answer = toHttpError(error);
  context.var.notes.error = answer.code;
  if (answer.status === 500) onFault?.(error, context.var.requestId);
  return answer;
}
