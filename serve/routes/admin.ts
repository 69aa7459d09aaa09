import { Hono } from 'hono';
import * as v from 'valibot';

import { HttpError, modelNotFoundError } from '../errors.ts';
import { requireAdmin } from '../guards.ts';
import type { ServedVersions } from '../modelRegistry.ts';
import { limitBody, readJson } from '../requests.ts';
import type { App, AppEnv, Service } from '../service.ts';
import { describeModel } from './models.ts';

/** Exchanges models while requests run. Where models never change, as at the edge, there is none. */
export interface ModelAdmin {
  /**
   * Loads a bundle and lets it answer from now on; the version before is kept.
   *
   * @param folder below the folder of models that the server was started with
   * @throws HttpError when there is no such bundle, or its version is served already
   */
  addVersion(name: string, folder: string): Promise<ServedVersions>;
  /**
   * Lets the version before answer again; the one that did is kept in its place.
   *
   * @throws HttpError when there is none
   */
  rollBack(name: string): Promise<ServedVersions>;
}

/** The body of `POST /v1/models/{name}/versions`. */
export const addVersionSchema = v.strictObject(
  { folder: v.pipe(v.string('must be a string'), v.nonEmpty('must not be empty')) },
  'must be an object with "folder" and no other entries',
);

/** More than any path. */
const MAX_BODY_BYTES = 16_384;

/**
 * `POST /v1/models/{name}/versions` with `{"folder": "reviews-2"}`, and `POST /v1/models/{name}/rollback`: answered, once the model has
 * changed, with its description. Requests that run go on with the version they began with. Both need an admin key.
 */
export function adminRoute({ models, limits }: Pick<Service, 'models' | 'limits'>, admin: ModelAdmin): App {
  const route = new Hono<AppEnv>();
  const requireModel = (name: string): string => {
    if (models.find(name) === undefined) throw modelNotFoundError();
    return name;
  };
  route.post('/v1/models/:name/versions', requireAdmin, limitBody(MAX_BODY_BYTES), async (context) => {
    const name = requireModel(context.req.param('name'));
    const parsed = v.safeParse(addVersionSchema, await readJson(context), { abortEarly: true });
    if (!parsed.success) {
      const [issue] = parsed.issues;
      throw new HttpError(422, 'invalid_request', `${issue.path === undefined ? 'The body' : 'folder'} ${issue.message}.`);
    }
    return context.json(describeModel(await admin.addVersion(name, parsed.output.folder), limits), 201);
  });
  route.post('/v1/models/:name/rollback', requireAdmin, async (context) => {
    const name = requireModel(context.req.param('name'));
    return context.json(describeModel(await admin.rollBack(name), limits));
  });
  return route;
}
