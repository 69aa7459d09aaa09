import { Hono } from 'hono';

import { modelNotFoundError } from '../errors.ts';
import type { ServedModel, ServedVersions } from '../modelRegistry.ts';
import { modelOf, type App, type AppEnv, type Service } from '../service.ts';

/**
 * `GET /v1/models`, `GET /v1/models/{name}` and `GET /v1/models/{name}/versions/{version}`: what is served here, and the limits of a
 * request. `task` tells the shape of the answers (see `answerSchemas`); of two `directions` the answers are averaged.
 */
export function modelsRoute({ models, limits }: Pick<Service, 'models' | 'limits'>): App {
  const route = new Hono<AppEnv>();
  route.get('/v1/models', (context) =>
    context.json({ default: models.defaultName, models: models.list().map((model) => describeModel(model, limits)) }),
  );
  route.get('/v1/models/:name', (context) => {
    const model = models.list().find(({ name }) => name === context.req.param('name'));
    if (model === undefined) throw modelNotFoundError();
    return context.json(describeModel(model, limits));
  });
  route.get('/v1/models/:name/versions/:version', (context) => context.json(describeVersion(modelOf(context, models), limits)));
  return route;
}

/** The current version, and the names of all that can be asked for. */
export function describeModel({ current, previous }: ServedVersions, limits: Service['limits']) {
  const versions = previous === undefined ? [current.version] : [current.version, previous.version];
  return { ...describeVersion(current, limits), versions };
}

/** What a client may know of a version: its bundle's description, and the limits of a request. */
function describeVersion({ name, version, classifier, files }: ServedModel, limits: Service['limits']) {
  const { task, labels, range, tokenizerVersion, precision, members, parity, dataLicence, created } = classifier.bundle;
  const { maxBodyBytes, maxTextLength, deadlineMilliseconds } = limits;
  return {
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
    downloadable: files !== undefined,
    limits: { maxBodyBytes, maxTexts: Math.min(limits.maxTexts, classifier.maxQueue), maxTextLength, deadlineMilliseconds },
  };
}
