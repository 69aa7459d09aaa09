import { Hono } from 'hono';

import type { Bundle } from '../../export/bundle.ts';

/** What a client must know to stay within the limits. */
export interface ModelLimits {
  readonly maxBodyBytes: number;
  readonly maxTexts: number;
}

/** `GET /v1/models`: what is served here, from the bundle, and the limits of a request. */
export function modelsRoute(bundle: Bundle, limits: ModelLimits): Hono {
  const { name, version, task, labels, tokenizerVersion, chunkLength, precision, sizes, parity, metrics, dataLicence, created } = bundle;
  const model = {
    name,
    version,
    task,
    labels,
    tokenizerVersion,
    chunkLength,
    precision,
    sizes,
    parity,
    metrics,
    dataLicence,
    created,
    limits,
  };
  return new Hono().get('/v1/models', (context) => context.json({ models: [model] }));
}
