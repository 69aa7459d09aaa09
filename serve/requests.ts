/** What routes share: bodies in, texts checked, deadlines kept. */
import type { Context, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';

import { stripWhiteSpace } from '../text/codePoints.ts';
import { deadlineError, HttpError } from './errors.ts';
import type { AppEnv, Service } from './service.ts';
import { follow } from './signals.ts';

/** Middleware: 413 for a body over the limit, before it is parsed. */
export function limitBody(maxBodyBytes: number): MiddlewareHandler<AppEnv> {
  const refuse = (): never => {
    throw new HttpError(413, 'body_too_large', `The body has more than ${maxBodyBytes} bytes. Send the texts in several requests.`);
  };
  const countBytes = bodyLimit({ maxSize: maxBodyBytes, onError: refuse });
  return async (context, next) => {
    const { headers } = context.req.raw;
    const stated = headers.get('content-length');
    // A body that does not say how long it is must be counted as it comes, by way of web streams, which cost more than all else of a short one.
    if (stated === null || headers.has('transfer-encoding')) return countBytes(context, next);
    if (Number(stated) > maxBodyBytes) refuse();
    return next();
  };
}

/**
 * The body of a request, parsed.
 *
 * @throws HttpError 415 unless the body says it is uncompressed JSON in UTF-8, 400 when it is empty, not UTF-8 or not JSON.
 */
export async function readJson({ req }: Context): Promise<unknown> {
  requireJson(req.raw.headers);
  return parseJson(await req.arrayBuffer());
}

/**
 * Runs with a signal that is aborted when the client leaves, when the server gives up what is in flight, and with a 504 when the
 * time is over.
 */
export async function withDeadline<Result>(
  context: Context,
  { limits, shutdown }: Pick<Service, 'limits' | 'shutdown'>,
  run: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(deadlineError()), limits.deadlineMilliseconds);
  const unfollow = follow(deadline, [context.req.raw.signal, shutdown]);
  try {
    return await run(deadline.signal);
  } finally {
    clearTimeout(timer);
    unfollow();
  }
}

/**
 * A text as it can be read. Half of a surrogate pair, which no UTF-8 text can hold, becomes U+FFFD.
 *
 * @param place where in the body it stands, for the message: `inputs[3]`
 * @throws HttpError 400 when there is nothing to classify, 413 when there is too much.
 */
export function requireText(text: string, place: string, limits: Pick<Service['limits'], 'maxTextLength'>): string {
  requireLength(text, place, limits);
  if (stripWhiteSpace(text) === '') throw new HttpError(400, 'empty_input', `${place} is blank. There is nothing in it to classify.`);
  return text.toWellFormed();
}

/** @throws HttpError 413 for a text that is too long. */
export function requireLength(text: string, place: string, { maxTextLength }: Pick<Service['limits'], 'maxTextLength'>): void {
  if (text.length <= maxTextLength) return;
  throw new HttpError(413, 'text_too_long', `${place} has ${text.length} characters; at most ${maxTextLength} are taken in one text.`);
}

/** @throws HttpError 415 when the body says that it is compressed. */
export function requireUncompressed(headers: Headers): void {
  const encoding = headers.get('content-encoding') ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') throw new HttpError(415, 'unsupported_media_type', 'Send the body without content-encoding.');
}

function requireJson(headers: Headers): void {
  requireUncompressed(headers);
  const [type = '', ...parameters] = (headers.get('content-type') ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  const charset = parameters
    .find((parameter) => parameter.startsWith('charset='))
    ?.slice('charset='.length)
    .replaceAll('"', '');
  if (type !== 'application/json' || (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8')) {
    throw new HttpError(415, 'unsupported_media_type', 'Send JSON in UTF-8, with the header "content-type: application/json".');
  }
}

function parseJson(body: ArrayBuffer): unknown {
  if (body.byteLength === 0) throw new HttpError(400, 'malformed_body', 'The body is empty. Send JSON like {"inputs": "text"}.');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new HttpError(400, 'malformed_body', 'The body is not valid UTF-8.');
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The parser's own message would repeat a piece of the body.
    throw new HttpError(400, 'malformed_body', 'The body is not valid JSON. Send JSON like {"inputs": "text"}.');
  }
}
