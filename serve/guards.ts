/** What a request passes before its route: the key, the rate, and how many are answered at a time. */
import type { Context, MiddlewareHandler } from 'hono';
import { createMiddleware } from 'hono/factory';

import { findKey, type StoredKey } from './apiKeys.ts';
import { HttpError } from './errors.ts';
import { RateLimiter } from './rateLimiter.ts';
import type { AppEnv } from './service.ts';

export interface GuardOptions {
  /** The keys that are good now. Without this, whoever reaches the server may ask, and nobody may exchange models. */
  readonly keys?: (() => readonly StoredKey[]) | undefined;
  /** Requests a minute of each key, or of each address where there are no keys. No limit unless told. */
  readonly requestsPerMinute?: number | undefined;
  /** Counts requests in place of this process, which does it unless told: where many processes answer, somebody else must. */
  readonly rateLimiter?: { take(client: string): number | Promise<number> } | undefined;
  /** The address that a request comes from. */
  readonly clientAddress?: ((context: Context) => string | undefined) | undefined;
  /** Requests that are read or answered at a time. No limit unless told. */
  readonly maxConcurrency?: number | undefined;
}

/** All guards, in order. For every address below `/v1` and `/v2` but those of health. */
export function guards(options: GuardOptions): MiddlewareHandler<AppEnv> {
  const { keys, requestsPerMinute, clientAddress, maxConcurrency = Infinity } = options;
  const limiter = options.rateLimiter ?? (requestsPerMinute === undefined ? undefined : new RateLimiter(requestsPerMinute));
  let running = 0;
  return createMiddleware<AppEnv>(async (context, next) => {
    const key = keys && (await requireKey(context, keys()));
    const seconds = (await limiter?.take(key?.id ?? clientAddress?.(context) ?? '')) ?? 0;
    if (seconds > 0) {
      const what =
        requestsPerMinute === undefined
          ? 'These are more requests than are allowed'
          : `This is more than ${requestsPerMinute} requests a minute`;
      throw new HttpError(429, 'rate_limited', `${what}. Try again in ${seconds} s.`, {
        'retry-after': String(seconds),
      });
    }
    if (running >= maxConcurrency) {
      const message = `The server is answering ${running} requests, as many as it takes at a time. Try again in 1 s.`;
      throw new HttpError(429, 'queue_full', message, { 'retry-after': '1' });
    }
    running += 1;
    try {
      await next();
    } finally {
      running -= 1;
    }
  });
}

/** Middleware: 403 for whoever has no admin key. */
export const requireAdmin = createMiddleware<AppEnv>(async (context, next) => {
  const { key } = context.var.notes;
  if (key?.scope !== 'admin') {
    throw new HttpError(
      403,
      'forbidden',
      key === undefined
        ? 'Models are exchanged with an admin key, and this server has no keys. Start it with --keys; `ulmfit keys add --scope admin` makes one.'
        : 'This key may ask models, not exchange them. Use an admin key.',
    );
  }
  await next();
});

async function requireKey(context: Context<AppEnv>, keys: readonly StoredKey[]): Promise<StoredKey> {
  const [, presented] = /^Bearer +(\S+)$/i.exec(context.req.header('authorization') ?? '') ?? [];
  const key = presented === undefined ? undefined : await findKey(keys, presented);
  if (key === undefined) {
    const message =
      presented === undefined ? 'Send a key, with the header "authorization: Bearer <key>".' : 'This key is not, or no longer, known here.';
    throw new HttpError(401, 'unauthorized', message, { 'www-authenticate': 'Bearer' });
  }
  context.var.notes.key = key;
  return key;
}
