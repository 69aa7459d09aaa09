import { Hono } from 'hono';
import * as v from 'valibot';

import type { TurnRecord } from '../../serve/chunkScheduler.ts';
import { found, type FurtherRoutes } from '../../serve/openApi/parts.ts';
import type { RequestRecord } from '../../serve/requestRecord.ts';
import type { AppEnv } from '../../serve/service.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

const metricsSchema = v.strictObject({
  scope: v.literal('isolate'),
  deployedVersion: v.exactOptional(v.string()),
  requests: v.array(v.strictObject({ method: v.string(), route: v.string(), status: count, count })),
  texts: count,
  graphCalls: v.strictObject({ count, documents: count, tokens: count }),
  documentsInFlight: count,
});

/**
 * Counts of this isolate since its start, as JSON. There are many isolates, each with counts of its own, and they come and go: for the whole of
 * a deployment the platform has its own metrics. Durations are missing because an isolate's clock stands still while it computes.
 */
export class EdgeMetrics {
  readonly #requests = new Map<string, number>();
  #texts = 0;
  #graphCalls = 0;
  #documents = 0;
  #tokens = 0;
  readonly #version: string | undefined;

  constructor(version: string | undefined) {
    this.#version = version;
  }

  readonly onRequest = ({ method, route, status, texts }: RequestRecord): void => {
    const key = `${method} ${route} ${status}`;
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
    if (texts !== undefined && status < 300) this.#texts += texts;
  };

  readonly onTurn = ({ rows, tokens }: TurnRecord): void => {
    this.#graphCalls += 1;
    this.#documents += rows;
    this.#tokens += tokens;
  };

  /** `GET /metrics`. A server's are for Prometheus; these are JSON. */
  routes(inFlight: () => number): FurtherRoutes {
    return {
      route: new Hono<AppEnv>().get('/metrics', (context) => context.json(this.#now(inFlight()))),
      paths: {
        '/metrics': {
          get: {
            operationId: 'metrics',
            summary: 'What this isolate has counted since its start',
            tags: ['server'],
            responses: { 200: found('The counts.', { $ref: '#/components/schemas/IsolateMetrics' }) },
          },
        },
      },
      schemas: { IsolateMetrics: metricsSchema },
    };
  }

  #now(documentsInFlight: number): v.InferOutput<typeof metricsSchema> {
    return {
      scope: 'isolate',
      ...(this.#version !== undefined && { deployedVersion: this.#version }),
      requests: Array.from(this.#requests, ([key, times]) => {
        const [method = '', route = '', status] = key.split(' ');
        return { method, route, status: Number(status), count: times };
      }),
      texts: this.#texts,
      graphCalls: { count: this.#graphCalls, documents: this.#documents, tokens: this.#tokens },
      documentsInFlight,
    };
  }
}
