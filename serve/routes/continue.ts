import { Hono } from 'hono';
import type * as v from 'valibot';

import { answerOf } from '../answers.ts';
import { HttpError } from '../errors.ts';
import { emptyDocument, modelOfDocument, readPiece } from '../partialDocument.ts';
import { continueRequestSchema, type continuedSchema } from '../pieceSchema.ts';
import { limitBody, readJson, requireLength, withDeadline } from '../requests.ts';
import { answerOptions, parseRequest, refuseForeignParameters } from '../schema.ts';
import { modelOf, holdModel, modelPaths, type App, type AppEnv, type Service } from '../service.ts';

/**
 * `POST /v1/classify/continue`, and the same for a model by name and version: a document that arrives in pieces, without a session. The answer
 * holds the state, signed, which the client sends with the next piece; the server keeps nothing. The same state may be
 * sent with different pieces: each goes on from there.
 */
export function continueRoute(service: Service): App {
  const { models, stateTokens, limits } = service;
  const route = new Hono<AppEnv>();
  route.on('POST', modelPaths('/classify/continue'), limitBody(limits.maxBodyBytes), async (context) => {
    const asked = modelOf(context, models);
    const { text, state, parameters } = parseRequest(continueRequestSchema, await readJson(context));
    requireLength(text, 'text', limits);
    const document = state == null ? emptyDocument(asked) : await stateTokens.open(state);
    // A document goes on with the version it began with, as long as that is served.
    const model = modelOfDocument(models, document);
    const name = context.req.param('name');
    const version = context.req.param('version');
    if ((name !== undefined && name !== model.name) || (version !== undefined && version !== model.version)) {
      throw new HttpError(
        409,
        'model_changed',
        `The document was begun with version ${model.version} of the model ${model.name}. Go on with that one, or begin again.`,
      );
    }
    holdModel(context, model);
    const { bundle } = model.classifier;
    refuseForeignParameters(parameters, bundle.task);
    context.var.notes.texts = 1;
    const read = await withDeadline(context, service, (signal) => readPiece(model, document, text, signal));
    const sealed = await stateTokens.seal(read.document);
    const answer: v.InferOutput<typeof continuedSchema> = {
      model: model.name,
      version: model.version,
      tokens: read.tokens,
      answer: read.logits === undefined ? null : answerOf(bundle, read.logits, answerOptions(parameters)),
      state: sealed.token,
      expires_at: new Date(sealed.expires).toISOString(),
    };
    return context.json(answer);
  });
  return route;
}
