import { type Context, Hono } from 'hono';
import { etag } from 'hono/etag';

import { HttpError } from '../errors.ts';
import type { ModelFiles } from '../modelFiles.ts';
import type { ModelRegistry } from '../modelRegistry.ts';
import { modelOf, type App, type AppEnv, type Service } from '../service.ts';

const FILES = '/v1/models/:name/versions/:version/files';

/**
 * `GET /v1/models/{name}/versions/{version}/files` and `…/files/{file}`: a copy of a model, where the server gives its models away. A file
 * is found by its name in the model's list and by nothing else, so that no address leads anywhere else.
 */
export function filesRoute({ models }: Pick<Service, 'models'>): App {
  const route = new Hono<AppEnv>();
  route.get(FILES, (context) => context.json({ files: filesOf(context, models).list }));
  route.get(`${FILES}/:file`, etag(), async (context) => {
    const files = filesOf(context, models);
    const file = files.list.find(({ name }) => name === context.req.param('file'));
    if (file === undefined) throw new HttpError(404, 'not_found', 'This model has no such file. The address without the name lists them.');
    return context.body(await files.open(file.name), 200, {
      'content-type': file.name.endsWith('.json') ? 'application/json' : 'application/octet-stream',
      'content-length': String(file.bytes),
      // To be kept, and asked about each time: another bundle may get the name of this version.
      'cache-control': 'no-cache',
      etag: `"${file.sha256}"`,
    });
  });
  return route;
}

/** @throws HttpError 404 when there is no such version, or models are not given away */
function filesOf(context: Context<AppEnv>, models: ModelRegistry): ModelFiles {
  const { files } = modelOf(context, models);
  if (files !== undefined) return files;
  throw new HttpError(
    404,
    'not_found',
    'This server answers texts and does not give its models away. Started with --downloadable, it does.',
  );
}
