/** What is told of every request once it is answered, to logs and metrics. Never a text, nor an address that a client made up. */
import type { Context } from 'hono';
import { matchedRoutes } from 'hono/route';

import type { ErrorCode } from './errors.ts';
import type { AppEnv } from './service.ts';

export interface RequestRecord {
  readonly requestId: string;
  readonly method: string;
  /** The pattern of the address, such as `/v1/models/:name/classify`; `unmatched` when there is nothing there. */
  readonly route: string;
  /** 499 when the client left before its answer. */
  readonly status: number;
  /** Until the answer, or the first piece of one that is streamed. */
  readonly milliseconds: number;
  readonly model?: string | undefined;
  readonly version?: string | undefined;
  /** Texts in the request. */
  readonly texts?: number | undefined;
  /** Whose key it came with. */
  readonly keyId?: string | undefined;
  /** Why it was refused, or failed. */
  readonly error?: ErrorCode | undefined;
}

/** The record of a request that has been answered. */
export function recordOf(context: Context<AppEnv>, milliseconds: number): RequestRecord {
  const { model, texts, key, error } = context.var.notes;
  const { method } = context.req;
  return {
    requestId: context.var.requestId,
    method,
    route: matchedRoutes(context).findLast(({ path }) => !path.includes('*'))?.path ?? 'unmatched',
    status: context.res.status,
    milliseconds,
    model: model?.name,
    version: model?.version,
    texts,
    keyId: key?.id,
    error,
  };
}
