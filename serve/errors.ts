import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';

import { QueueFullError } from './chunkScheduler.ts';
import { SessionsFullError } from './sessionStore.ts';

/** What a client can tell errors apart by. The message is for people and may change. */
export type ErrorCode =
  | 'malformed_body'
  | 'empty_input'
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'model_not_found'
  | 'method_not_allowed'
  | 'body_too_large'
  | 'too_many_texts'
  | 'text_too_long'
  | 'unsupported_media_type'
  | 'invalid_request'
  | 'version_conflict'
  | 'invalid_bundle'
  | 'rate_limited'
  | 'queue_full'
  | 'not_enabled'
  | 'job_not_found'
  | 'job_running'
  | 'not_streamable'
  | 'model_changed'
  | 'session_not_found'
  | 'sequence_conflict'
  | 'sessions_full'
  | 'invalid_state'
  | 'state_expired'
  | 'internal'
  | 'unavailable'
  | 'deadline_exceeded';

/** An answer that is an error. The message never holds the caller's text, only what was wrong and what to do. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: ContentfulStatusCode;
  readonly code: ErrorCode;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: ContentfulStatusCode, code: ErrorCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** The server is stopping: what is in flight may finish, nothing new comes in. */
export const stoppingError = () =>
  new HttpError(503, 'unavailable', 'The server is stopping. Send the request to another one, or again later.');

/** The address names a model, or a version of it, that is not served. */
export const modelNotFoundError = () =>
  new HttpError(404, 'model_not_found', 'There is no such model, or no such version of it. GET /v1/models lists what is served.');

/** The answer took too long. */
export const deadlineError = () =>
  new HttpError(
    504,
    'deadline_exceeded',
    'The answer was not ready in time. Send fewer or shorter texts, or try again when the server is less busy.',
  );

/** The shape of errors: `{"error": {"code", "message"}}`. */
export function errorBody(code: ErrorCode, message: string): { error: { code: ErrorCode; message: string } } {
  return { error: { code, message } };
}

/** The error as a response of the app; below `/v2`, in the shape of the Open Inference Protocol, `{"error": "…"}`. */
export function errorResponse(context: Context, error: HttpError): Response {
  const body = /^\/v2(\/|$)/.test(context.req.path) ? { error: error.message } : errorBody(error.code, error.message);
  return context.json(body, error.status, error.headers);
}

/**
 * What a client is told about an error: refusals as they are, a full queue as 429, and everything else, being a fault of the
 * server, as 500 without any detail.
 */
export function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof QueueFullError) {
    return new HttpError(429, 'queue_full', error.message, { 'retry-after': String(error.retryAfterSeconds) });
  }
  if (error instanceof SessionsFullError) {
    return new HttpError(429, 'sessions_full', error.message, { 'retry-after': String(error.retryAfterSeconds) });
  }
  return new HttpError(500, 'internal', 'The server failed to answer this request. The cause is in its log.');
}
