import { Hono } from 'hono';

import { answerOf } from '../answers.ts';
import { HttpError } from '../errors.ts';
import { limitBody, readJson, requireText, withDeadline } from '../requests.ts';
import { answerOptions, parseClassifyRequest, type ClassifyRequest } from '../schema.ts';
import { modelOf, modelPaths, type App, type AppEnv, type Service } from '../service.ts';

/**
 * `POST /v1/classify`, and the same for a model by name and version. One text is answered in the shape of the model's task: its labels
 * and scores, best first (Hugging Face's shape); the labels that apply, and all scores; or a value. A list of texts is answered with a
 * list of such answers in the same order. `answerSchemas` in schema.ts says it exactly. A text may have any length: it is read to its end.
 */
export function classifyRoute(service: Service): App {
  const route = new Hono<AppEnv>();
  route.on('POST', modelPaths('/classify'), limitBody(service.limits.maxBodyBytes), async (context) => {
    const { classifier } = modelOf(context, service.models);
    const request = parseClassifyRequest(await readJson(context), classifier.bundle.task);
    const texts = textsOf(request, service.limits, classifier.maxQueue);
    context.var.notes.texts = texts.length;
    const logits = await withDeadline(context, service, (signal) => classifier.classify(texts, { signal }));
    const options = answerOptions(request.parameters);
    const answers = logits.map((members) => answerOf(classifier.bundle, members, options));
    return context.json(typeof request.inputs === 'string' ? answers[0] : answers);
  });
  return route;
}

/**
 * The texts of a request.
 *
 * @throws HttpError 400 when there is nothing to classify, 413 when there is too much.
 */
function textsOf({ inputs }: ClassifyRequest, limits: Service['limits'], maxQueue: number): string[] {
  if (typeof inputs === 'string') return [requireText(inputs, 'inputs', limits)];
  // A request with more texts than places in the queue could never be answered.
  const maxTexts = Math.min(limits.maxTexts, maxQueue);
  if (inputs.length === 0) throw new HttpError(400, 'empty_input', 'inputs is an empty array. Send at least one text.');
  if (inputs.length > maxTexts) {
    throw new HttpError(413, 'too_many_texts', `inputs has ${inputs.length} texts; at most ${maxTexts} are taken in one request.`);
  }
  return inputs.map((text, index) => requireText(text, `inputs[${index}]`, limits));
}
