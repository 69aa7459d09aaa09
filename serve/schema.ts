import * as v from 'valibot';

import { HttpError } from './errors.ts';

// Every message is written here: valibot's own would repeat what the caller sent.
const text = v.string('must be a string');

const inputs = v.lazy((value) => (Array.isArray(value) ? v.array(text) : v.string('must be a string or an array of strings')));

const parameters = v.strictObject(
  {
    /** How many labels to answer with, best first. All of them unless told. */
    top_k: v.optional(
      v.nullable(v.pipe(v.number('must be a whole number'), v.integer('must be a whole number'), v.minValue(1, 'must be at least 1'))),
    ),
    /** How scores are made from the model's logits: softmax unless told; sigmoid for each label by itself; none for the logits. */
    function_to_apply: v.optional(v.nullable(v.picklist(['softmax', 'sigmoid', 'none'], 'must be "softmax", "sigmoid" or "none"'))),
  },
  'must be an object with no other entries than "top_k" and "function_to_apply"',
);

/** The body of `POST /v1/classify`, in the shape of Hugging Face's text-classification task. */
export const classifyRequestSchema = v.strictObject(
  { inputs, parameters: v.optional(v.nullable(parameters)) },
  'must be an object with "inputs" and, if need be, "parameters"; no other entries',
);

/** A valid request to `POST /v1/classify`. */
export type ClassifyRequest = v.InferOutput<typeof classifyRequestSchema>;

/** How scores are made from logits. */
export type ScoreFunction = 'softmax' | 'sigmoid' | 'none';

/**
 * Checks a parsed body.
 *
 * @throws HttpError 422 naming the first entry that is wrong and what it must be, without repeating what was sent.
 */
export function parseClassifyRequest(json: unknown): ClassifyRequest {
  const result = v.safeParse(classifyRequestSchema, json, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new HttpError(422, 'invalid_request', `${place(issue.path ?? [])} ${issue.message}.`);
}

/** Where in the body: `inputs[3]`, `parameters.top_k`. A key that is missing or unknown is its object's fault, and not named. */
function place(path: readonly v.IssuePathItem[]): string {
  const keys = path.filter((item) => item.origin === 'value').map(({ key }) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`));
  return keys.length === 0 ? 'The body' : keys.join('').slice(1);
}
