import { Hono } from 'hono';
import type * as v from 'valibot';

import type { Bundle } from '../../export/bundle.ts';
import type { Explanation } from '../../text/explanation.ts';
import { HttpError } from '../errors.ts';
import { explainText } from '../explain.ts';
import { explainRequestSchema, type explanationSchema } from '../explainSchema.ts';
import { limitBody, readJson, requireText, withDeadline } from '../requests.ts';
import { parseRequest } from '../schema.ts';
import { modelOf, modelPaths, type AppEnv, type Service } from '../service.ts';

/** Every word is a graph call of its own, one after the other: so many tokens take some seconds. */
export const MAX_EXPLAINED_TOKENS = 2000;

/**
 * `POST /v1/explain`, and the same for a model by name and version: what the answer to a text hangs on. How it moves word by word, and what
 * it loses without each word, as `ulmfit predict --explain` has it.
 */
export function explainRoute(service: Service): Hono<AppEnv> {
  const route = new Hono<AppEnv>();
  route.on('POST', modelPaths('/explain'), limitBody(service.limits.maxBodyBytes), async (context) => {
    const { classifier } = modelOf(context, service.models);
    const { inputs, parameters } = parseExplainRequest(await readJson(context), classifier.bundle);
    const text = requireText(inputs, 'inputs', service.limits);
    context.var.notes.texts = 1;
    const explanation = await withDeadline(context, service, (signal) =>
      explainText(classifier, [text], {
        signal,
        checkTokens: requireFew,
        label: parameters?.label ?? undefined,
        occlusion: parameters?.occlusion === 'left_out' ? 'leftOut' : 'unknown',
        mostOccluded: parameters?.max_words ?? undefined,
      }),
    );
    return context.json(explanationJson(explanation));
  });
  return route;
}

function requireFew(tokens: number): void {
  if (tokens <= MAX_EXPLAINED_TOKENS) return;
  throw new HttpError(413, 'text_too_long', `inputs has ${tokens} tokens; texts of at most ${MAX_EXPLAINED_TOKENS} are explained.`);
}

function explanationJson(explanation: Explanation): v.InferOutput<typeof explanationSchema> {
  const { label, value, start, direction, isPair, occlusion, text, words } = explanation;
  return {
    label: label ?? null,
    value,
    start: start ?? null,
    direction,
    pair: isPair,
    occlusion: occlusion === 'leftOut' ? 'left_out' : occlusion,
    text,
    words: words.map((word) => ({
      text: word.text,
      start: word.start,
      end: word.end,
      value: word.value,
      occlusion: word.occlusion ?? null,
      unknown: word.isUnknown,
    })),
  };
}

/** @throws HttpError 422 naming the first entry that is wrong, without repeating what was sent. */
function parseExplainRequest(json: unknown, { task, labels }: Bundle): v.InferOutput<typeof explainRequestSchema> {
  const request = parseRequest(explainRequestSchema, json);
  const label = request.parameters?.label ?? undefined;
  if (label === undefined || labels.includes(label)) return request;
  throw new HttpError(
    422,
    'invalid_request',
    task === 'regression'
      ? 'parameters.label is for models with labels; this one answers with a number. Leave it out.'
      : "parameters.label must be one of the model's labels, which GET /v1/models lists.",
  );
}
