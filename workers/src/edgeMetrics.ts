import type { TurnRecord } from '../../serve/chunkScheduler.ts';
import type { RequestRecord } from '../../serve/requestRecord.ts';

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

  /** The answer to `GET /metrics`. */
  respond(inFlight: number): Response {
    return Response.json({
      scope: 'isolate',
      ...(this.#version !== undefined && { deployedVersion: this.#version }),
      requests: Array.from(this.#requests, ([key, count]) => {
        const [method, route, status] = key.split(' ');
        return { method, route, status: Number(status), count };
      }),
      texts: this.#texts,
      graphCalls: { count: this.#graphCalls, documents: this.#documents, tokens: this.#tokens },
      documentsInFlight: inFlight,
    });
  }
}
