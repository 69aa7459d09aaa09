import { Hono, type Context } from 'hono';
import type * as v from 'valibot';

import type { MemberLogits } from '../answers.ts';
import { HttpError } from '../errors.ts';
import { inferRequestSchema, type InferRequest, type inferResponseSchema, type modelMetadataSchema } from '../inferenceSchema.ts';
import { INPUTS, outputsOf, outputTensors, textsOf } from '../inferenceTensors.ts';
import type { ServedModel } from '../modelRegistry.ts';
import { modelOfDocument } from '../partialDocument.ts';
import { limitBody, readJson, requireLength, requireText, withDeadline } from '../requests.ts';
import { parseRequest } from '../schema.ts';
import { modelOf, type App, type AppEnv, type Service } from '../service.ts';
import { append, newSession } from '../sessions.ts';
import { VERSION } from '../version.ts';

/**
 * The Open Inference Protocol, version 2, with Triton's sequence extension. Errors have the protocol's shape, `{"error": "…"}`.
 *
 * Requests with a `sequence_id` bring one document in pieces, one text each: the first has `sequence_start`, the last `sequence_end`, which
 * forgets the document. One whose end never comes is forgotten when it has waited too long.
 */
export function inferenceRoute(service: Service): App {
  const { models, limits } = service;
  const route = new Hono<AppEnv>();

  route.get('/v2', (context) => context.json({ name: 'ulmfit', version: VERSION, extensions: ['sequence'] }));
  for (const path of ['/v2/models/:name', '/v2/models/:name/versions/:version'] as const) {
    route.get(path, (context) => context.json(metadata(service, modelOf(context, models))));
    route.get(`${path}/ready`, (context) => {
      const { name } = modelOf(context, models);
      return context.json({ name, ready: true });
    });
    route.post(`${path}/infer`, limitBody(limits.maxBodyBytes), async (context) => {
      const model = modelOf(context, models);
      const request = parseRequest(inferRequestSchema, await readJson(context));
      const texts = textsOf(request);
      context.var.notes.texts = texts.length;
      const { sequence_id: id } = request.parameters ?? {};
      const inSequence = id !== undefined && id !== 0 && id !== '';
      const answered = inSequence
        ? await nextInSequence(context, service, model, texts, request)
        : await independent(context, service, model, texts, request);
      const answer: v.InferOutput<typeof inferResponseSchema> = {
        model_name: answered.model.name,
        model_version: answered.model.version,
        ...(request.id === undefined ? {} : { id: request.id }),
        outputs: outputTensors(answered.model.classifier.bundle, answered.logits, request.outputs),
      };
      return context.json(answer);
    });
  }
  return route;
}

interface Answered {
  readonly model: ServedModel;
  /** Of every text. */
  readonly logits: readonly MemberLogits[];
}

/** Texts that are whole documents. */
async function independent(
  context: Context<AppEnv>,
  service: Service,
  model: ServedModel,
  texts: readonly string[],
  { parameters: { sequence_start, sequence_end } = {}, outputs }: InferRequest,
): Promise<Answered> {
  if (sequence_start === true || sequence_end === true) {
    throw badRequest(
      'sequence_start and sequence_end need a sequence_id, a whole number above 0 or a string, to say which sequence is meant.',
    );
  }
  const { classifier } = model;
  const maxTexts = Math.min(service.limits.maxTexts, classifier.maxQueue);
  if (texts.length === 0) throw badRequest('inputs[0] has no texts. Send at least one.');
  if (texts.length > maxTexts) {
    throw new HttpError(413, 'too_many_texts', `inputs[0] has ${texts.length} texts; at most ${maxTexts} are taken in one request.`);
  }
  outputTensors(classifier.bundle, [], outputs); // refused before the work, not after it
  const wellFormed = texts.map((text, index) => requireText(text, `inputs[0].data[${index}]`, service.limits));
  return { model, logits: await withDeadline(context, service, (signal) => classifier.classify(wellFormed, { signal })) };
}

/** The next piece of a document. */
async function nextInSequence(
  context: Context<AppEnv>,
  service: Service,
  asked: ServedModel,
  texts: readonly string[],
  { parameters: { sequence_id: id, sequence_start, sequence_end } = {}, outputs }: InferRequest,
): Promise<Answered> {
  const { sessions, models, limits } = service;
  const [text, ...others] = texts;
  if (text === undefined || others.length > 0) {
    throw badRequest(`inputs[0] has ${texts.length} texts; a request of a sequence brings one, the next piece of its document.`);
  }
  requireLength(text, 'inputs[0].data[0]', limits);
  outputTensors(asked.classifier.bundle, [], outputs);
  // The number 7 and the string "7" are two sequences, as every model has its own.
  const key = `sequence:${asked.name}:${JSON.stringify(id)}`;
  if (sequence_start === true) await sessions.create(key, newSession(asked));
  const begun = await sessions.get(key);
  if (begun === undefined) {
    throw new HttpError(
      409,
      'session_not_found',
      'This sequence has not been started, has ended, or has waited too long for its next request. ' +
        'Send the first piece of the document with "sequence_start": true.',
    );
  }
  const version = context.req.param('version');
  const model = modelOfDocument(models, begun.session.document);
  if (version !== undefined && version !== model.version) {
    throw new HttpError(409, 'model_changed', `The sequence was started with version ${model.version} of the model. Go on with that one.`);
  }
  const appended = await withDeadline(context, service, (signal) => append({ store: sessions, models, signal }, key, { text }));
  if (appended === undefined) throw new HttpError(409, 'session_not_found', 'This sequence has ended while its next piece was read.');
  if (sequence_end === true) await sessions.delete(key);
  const { logits } = appended.session;
  if (logits === undefined) {
    throw new HttpError(
      409,
      'empty_input',
      'There is only white space in the sequence so far, nothing to classify. Go on with the next piece.',
    );
  }
  return { model, logits: [logits] };
}

function metadata({ models }: Service, model: ServedModel): v.InferOutput<typeof modelMetadataSchema> {
  const { name, classifier } = model;
  const served = models.list().find((versions) => versions.name === name);
  const versions = [served?.current.version, served?.previous?.version].filter((version) => version !== undefined);
  return { name, versions, platform: 'ulmfit_onnxruntime', inputs: INPUTS, outputs: outputsOf(classifier.bundle) };
}

const badRequest = (message: string) => new HttpError(400, 'invalid_request', message);
