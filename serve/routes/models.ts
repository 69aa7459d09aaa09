import { Hono } from 'hono';

import type { Bundle } from '../../export/bundle.ts';

/** What a client must know to stay within the limits. */
export interface ModelLimits {
  readonly maxBodyBytes: number;
  readonly maxTexts: number;
}

/**
 * `GET /v1/models`: what is served here, from the bundle, and the limits of a request. `task` tells the shape of the answers (see
 * `answerSchemas`); of two `directions` the answers are averaged.
 */
export function modelsRoute(bundle: Bundle, limits: ModelLimits): Hono {
  const { name, version, task, labels, range, tokenizerVersion, precision, members, parity, dataLicence, created } = bundle;
  const model = {
    name,
    version,
    task,
    labels,
    range,
    directions: members.map(({ direction }) => direction),
    tokenizerVersion,
    precision,
    members: members.map(({ direction, sizes, chunkLength, temperature, metrics }) => ({
      direction,
      sizes,
      chunkLength,
      temperature,
      metrics,
    })),
    parity,
    dataLicence,
    created,
    limits,
  };
  return new Hono().get('/v1/models', (context) => context.json({ models: [model] }));
}
