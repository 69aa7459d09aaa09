import { Hono } from 'hono';
import * as v from 'valibot';

import type { Bundle } from '../../export/bundle.ts';
import type { Explanation } from '../../text/explanation.ts';
import { HttpError } from '../errors.ts';
import { explainText } from '../explain.ts';
import { limitBody, readJson, requireText, withDeadline } from '../requests.ts';
import { parseRequest } from '../schema.ts';
import { modelOf, modelPaths, type AppEnv, type Service } from '../service.ts';

/** Every word is a graph call of its own, one after the other: so many tokens take some seconds. */
export const MAX_EXPLAINED_TOKENS = 2000;
/** Of a longer text, these words at most are left out one by one; each is a reading of the text. */
const MAX_OCCLUDED_WORDS = 100;

const wholeNumber = `must be a whole number from 0 to ${MAX_OCCLUDED_WORDS}`;

/** The body of `POST /v1/explain`. */
export const explainRequestSchema = v.strictObject(
  {
    inputs: v.string('must be a string: one text is explained at a time'),
    parameters: v.optional(
      v.nullable(
        v.strictObject(
          {
            /** The label that is explained; the likeliest one unless told. Not for regression, where the number is explained. */
            label: v.optional(v.nullable(v.string('must be a string'))),
            /** How a word is taken away: by `xxunk` in its place (unless told), or by nothing. */
            occlusion: v.optional(v.nullable(v.picklist(['unknown', 'left_out'], 'must be "unknown" or "left_out"'))),
            /** Words that are taken away at most, those that move the answer most. Unless told 100, and fewer of texts of more than 600 tokens. */
            max_words: v.optional(
              v.nullable(
                v.pipe(
                  v.number(wholeNumber),
                  v.integer(wholeNumber),
                  v.minValue(0, wholeNumber),
                  v.maxValue(MAX_OCCLUDED_WORDS, wholeNumber),
                ),
              ),
            ),
          },
          'must be an object with no other entries than "label", "occlusion" and "max_words"',
        ),
      ),
    ),
  },
  'must be an object with "inputs" and, if need be, "parameters"; no other entries',
);

/** What `POST /v1/explain` answers. */
export const explanationSchema = v.strictObject({
  /** The label that is explained; null for regression. */
  label: v.nullable(v.string()),
  /** Its probability, or the number, for the whole text. */
  value: v.number(),
  /** The same before the first word; null for a model that reads backwards. */
  start: v.nullable(v.number()),
  /** The order in which the values of the words came about. */
  direction: v.picklist(['forward', 'backward']),
  /** Whether two models answer together: the values are then the first one's, and `value` and the occlusions the mean of both. */
  pair: v.boolean(),
  /** How words were taken away. */
  occlusion: v.picklist(['unknown', 'left_out']),
  /** The text in which the words have their places, in UTF-16 units: the one sent, with its HTML resolved. */
  text: v.string(),
  words: v.array(
    v.strictObject({
      text: v.string(),
      start: v.number(),
      end: v.number(),
      /** The answer once this word has been read. */
      value: v.number(),
      /** What the answer loses without the word; null where that was not tried. */
      occlusion: v.nullable(v.number()),
      /** Whether the model does not know the word, or a part of it. */
      unknown: v.boolean(),
    }),
  ),
});

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
