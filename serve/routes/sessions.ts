import { Hono } from 'hono';
import type * as v from 'valibot';

import { answerOf } from '../answers.ts';
import { HttpError } from '../errors.ts';
import { modelOfDocument } from '../partialDocument.ts';
import { pieceRequestSchema, type sessionSchema } from '../pieceSchema.ts';
import { limitBody, readJson, requireLength, withDeadline } from '../requests.ts';
import { answerOptions, parseRequest, refuseForeignParameters, type AnswerParameters } from '../schema.ts';
import { holdModel, modelOf, modelPaths, type App, type AppEnv, type Service } from '../service.ts';
import { append, newSession } from '../sessions.ts';
import type { StoredSession } from '../sessionStore.ts';

/**
 * Documents that arrive in pieces:
 * - `POST /v1/sessions`, and the same for a model by name and version, begins one: 201 with its id.
 * - `POST /v1/sessions/{id}/text` appends a piece, which may end in the middle of a word, and answers what all text so far would get at once.
 * - `GET /v1/sessions/{id}` tells the last answer again; `DELETE` ends the session.
 */
export function sessionsRoute(service: Service): App {
  const { models, sessions, limits } = service;
  const route = new Hono<AppEnv>();

  route.on('POST', modelPaths('/sessions'), async (context) => {
    const model = modelOf(context, models);
    const id = crypto.randomUUID();
    const stored = await sessions.create(id, newSession(model));
    return context.json(describe(service, id, stored), 201, { location: `/v1/sessions/${id}` });
  });

  route.post('/v1/sessions/:id/text', limitBody(limits.maxBodyBytes), async (context) => {
    const id = context.req.param('id');
    const { text, sequence, parameters } = parseRequest(pieceRequestSchema, await readJson(context));
    requireLength(text, 'text', limits);
    const begun = await sessions.get(id);
    if (begun === undefined) throw sessionNotFoundError();
    // Before the piece is read: one that was refused must not count.
    refuseForeignParameters(parameters, modelOfDocument(models, begun.session.document).classifier.bundle.task);
    context.var.notes.texts = 1;
    const appended = await withDeadline(context, service, (signal) =>
      append({ store: sessions, models, signal, onModel: (model) => holdModel(context, model) }, id, {
        text,
        sequence: sequence ?? undefined,
      }),
    );
    if (appended === undefined) throw sessionNotFoundError();
    return context.json(describe(service, id, appended, parameters));
  });

  route.get('/v1/sessions/:id', async (context) => {
    const id = context.req.param('id');
    const stored = await sessions.get(id);
    if (stored === undefined) throw sessionNotFoundError();
    return context.json(describe(service, id, stored));
  });

  route.delete('/v1/sessions/:id', async (context) => {
    if (!(await sessions.delete(context.req.param('id')))) throw sessionNotFoundError();
    return context.body(null, 204);
  });
  return route;
}

const sessionNotFoundError = () =>
  new HttpError(
    404,
    'session_not_found',
    'There is no such session: it was ended, or has waited too long for its next piece. Begin one with POST /v1/sessions.',
  );

/** @throws HttpError 409 when the session's model is not served any more. */
function describe(
  { models }: Service,
  id: string,
  { session: { document, sequence, tokens, logits }, expires }: StoredSession,
  parameters?: AnswerParameters | null,
): v.InferOutput<typeof sessionSchema> {
  const { bundle } = modelOfDocument(models, document).classifier;
  return {
    id,
    model: document.model,
    version: document.version,
    sequence,
    tokens,
    answer: logits === undefined ? null : answerOf(bundle, logits, answerOptions(parameters)),
    expires_at: new Date(expires).toISOString(),
  };
}
