import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

import type { TurnRecord } from '../chunkScheduler.ts';
import type { ModelRegistry } from '../modelRegistry.ts';
import type { RequestRecord } from '../requestRecord.ts';

/** Seconds, from a short text on an idle machine to a long one on a busy one. */
const REQUEST_SECONDS = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const TURN_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];
const TURN_ROWS = [1, 2, 4, 8, 12, 16, 24, 32, 64, 128];

/** What Prometheus asks for: requests, documents, graph calls, the line of each model, and the process itself. docs/serving.md lists them. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Counter;
  readonly #requestSeconds: Histogram;
  readonly #texts: Counter;
  readonly #tokens: Counter;
  readonly #turnSeconds: Histogram;
  readonly #turnRows: Histogram;

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#requests = new Counter({
      name: 'ulmfit_requests_total',
      help: 'Requests answered, by route and status.',
      labelNames: ['method', 'route', 'status', 'model'],
      registers,
    });
    this.#requestSeconds = new Histogram({
      name: 'ulmfit_request_duration_seconds',
      help: 'Time to the answer, by route.',
      labelNames: ['route', 'model'],
      buckets: REQUEST_SECONDS,
      registers,
    });
    this.#texts = new Counter({
      name: 'ulmfit_texts_total',
      help: 'Texts in requests that were answered.',
      labelNames: ['model', 'version'],
      registers,
    });
    this.#tokens = new Counter({ name: 'ulmfit_tokens_total', help: 'Tokens read by graphs, without padding.', registers });
    this.#turnSeconds = new Histogram({
      name: 'ulmfit_graph_call_duration_seconds',
      help: 'Time of graph calls.',
      buckets: TURN_SECONDS,
      registers,
    });
    this.#turnRows = new Histogram({
      name: 'ulmfit_graph_call_documents',
      help: 'Documents in a graph call.',
      buckets: TURN_ROWS,
      registers,
    });
  }

  /** Tells how many documents each model has in flight, and which version of it answers, from now on. */
  watch(models: ModelRegistry): void {
    const registers = [this.#registry];
    new Gauge({
      name: 'ulmfit_documents_in_flight',
      help: 'Documents that wait for their answer now.',
      labelNames: ['model', 'version'],
      registers,
      collect() {
        this.reset();
        for (const { current, previous } of models.list()) {
          for (const { name, version, classifier } of previous === undefined ? [current] : [current, previous]) {
            this.set({ model: name, version }, classifier.inFlight);
          }
        }
      },
    });
    new Gauge({
      name: 'ulmfit_model_info',
      help: 'The version of each model that answers now.',
      labelNames: ['model', 'version'],
      registers,
      collect() {
        this.reset();
        for (const { name, current } of models.list()) this.set({ model: name, version: current.version }, 1);
      },
    });
  }

  readonly onRequest = ({ method, route, status, milliseconds, model = '', version = '', texts }: RequestRecord): void => {
    this.#requests.inc({ method, route, status, model });
    this.#requestSeconds.observe({ route, model }, milliseconds / 1000);
    if (texts !== undefined && status < 300) this.#texts.inc({ model, version }, texts);
  };

  readonly onTurn = ({ rows, tokens, milliseconds }: TurnRecord): void => {
    this.#tokens.inc(tokens);
    this.#turnRows.observe(rows);
    this.#turnSeconds.observe(milliseconds / 1000);
  };

  /** The answer to `GET /metrics`. */
  readonly respond = async (): Promise<Response> =>
    new Response(await this.#registry.metrics(), { headers: { 'content-type': this.#registry.contentType } });
}
