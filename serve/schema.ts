import * as v from 'valibot';

import type { Task } from '../export/bundle.ts';
import type { AnswerOptions } from './answers.ts';
import { HttpError } from './errors.ts';

// Every message is written here: valibot's own would repeat what the caller sent.
const text = v.string('must be a string');

/** One text, or several. */
export const inputsSchema = v.lazy((value) => (Array.isArray(value) ? v.array(text) : v.string('must be a string or an array of strings')));

/** How scores are made from logits. */
export const scoreFunctionSchema = v.picklist(['softmax', 'sigmoid', 'none'], 'must be "softmax", "sigmoid" or "none"');

/** What an answer may be asked for. */
export const answerParametersSchema = v.strictObject(
  {
    /** How many labels to answer with, best first. All of them unless told. Not for regression, which has none. */
    top_k: v.optional(
      v.nullable(v.pipe(v.number('must be a whole number'), v.safeInteger('must be a whole number'), v.minValue(1, 'must be at least 1'))),
    ),
    /**
     * How scores are made from the model's logits: softmax, sigmoid for each label by itself, or none for the logits. Unless told,
     * softmax where a text has one label, sigmoid where it may have several; then softmax cannot be had. Not for regression.
     * Where two models answer together, the function is applied to the logits of each, and the scores are the means.
     */
    function_to_apply: v.optional(v.nullable(scoreFunctionSchema)),
  },
  'must be an object with no other entries than "top_k" and "function_to_apply"',
);

/** The body of `POST /v1/classify`, in the shape of Hugging Face's text-classification task. */
export const classifyRequestSchema = v.strictObject(
  { inputs: inputsSchema, parameters: v.optional(v.nullable(answerParametersSchema)) },
  'must be an object with "inputs" and, if need be, "parameters"; no other entries',
);

/** A valid request to `POST /v1/classify`. */
export type ClassifyRequest = v.InferOutput<typeof classifyRequestSchema>;

/** What an answer may be asked for. */
export type AnswerParameters = v.InferOutput<typeof answerParametersSchema>;

/** How scores are made from logits. */
export type ScoreFunction = v.InferOutput<typeof scoreFunctionSchema>;

const labelScoreSchema = v.strictObject({ label: v.string(), score: v.number() });

/**
 * The answer of `POST /v1/classify` to one text, by the task of the model (`GET /v1/models` tells it). A string is answered with
 * one of these, an array of strings with an array of these, in the same order.
 */
export const answerSchemas = {
  /** Hugging Face's shape: every label with its probability, best first. The probabilities of all labels sum to 1. */
  singleLabel: v.array(labelScoreSchema),
  multiLabel: v.strictObject({
    /** The labels that apply, being those with a probability of at least 0.5, best first; there may be none. No parameter changes them. */
    labels: v.array(v.string()),
    /** Every label with its probability, best first. */
    scores: v.array(labelScoreSchema),
  }),
  regression: v.strictObject({ value: v.number() }),
} as const satisfies Record<Task, v.GenericSchema>;

/** The answer to one text by a model of any task. */
export const anyAnswerSchema = v.union([answerSchemas.singleLabel, answerSchemas.multiLabel, answerSchemas.regression]);

/** One label with its score. */
export type LabelScore = v.InferOutput<typeof labelScoreSchema>;

/** The answer to one text, by task. */
export type Answers = { readonly [Name in Task]: v.InferOutput<(typeof answerSchemas)[Name]> };

/** The answer to one text, whatever the task. */
export type Answer = Answers[Task];

/** What may be asked of the scores; the first is what is given unless told. */
export const SCORE_FUNCTIONS_OF: Readonly<Record<Exclude<Task, 'regression'>, readonly [ScoreFunction, ...ScoreFunction[]]>> = {
  singleLabel: ['softmax', 'sigmoid', 'none'],
  multiLabel: ['sigmoid', 'none'],
};

/** What may be asked of every one of these tasks. */
export function scoreFunctionsOfAll(tasks: readonly Task[]): ScoreFunction[] {
  const withLabels = tasks.filter((task) => task !== 'regression');
  return SCORE_FUNCTIONS_OF.singleLabel.filter((name) => withLabels.every((task) => SCORE_FUNCTIONS_OF[task].includes(name)));
}

/** Every error but those below `/v2`. */
export const errorSchema = v.strictObject({ error: v.strictObject({ code: v.string(), message: v.string() }) });

/** What `GET /health` answers. */
export const healthSchema = v.object({ status: v.literal('ok') });

const description = {
  name: v.string(),
  version: v.string(),
  /** Decides the shape of the answers. */
  task: v.picklist(['singleLabel', 'multiLabel', 'regression']),
  labels: v.array(v.string()),
  /** A model with a backward half reads whole documents only. */
  directions: v.array(v.picklist(['forward', 'backward'])),
  /** Whether its files can be had, to run it elsewhere. */
  downloadable: v.boolean(),
  limits: v.object({ maxBodyBytes: v.number(), maxTexts: v.number(), maxTextLength: v.number(), deadlineMilliseconds: v.number() }),
};

/** What is told of a version of a model, among other things. */
export const modelSchema = v.object(description);
/** What is told of a model. */
export const modelVersionsSchema = v.object({ ...description, versions: v.array(v.string()) });
/** What `GET /v1/models` answers. */
export const modelsSchema = v.object({ default: v.string(), models: v.array(modelVersionsSchema) });

/**
 * Checks a parsed body.
 *
 * @throws HttpError 422 naming the first entry that is wrong, or has no meaning for the task, and what it must be, without
 *   repeating what was sent.
 */
export function parseClassifyRequest(json: unknown, task: Task): ClassifyRequest {
  const request = parseRequest(classifyRequestSchema, json);
  refuseForeignParameters(request.parameters, task);
  return request;
}

/**
 * Checks a parsed body by its schema.
 *
 * @throws HttpError 422 naming the first entry that is wrong and what it must be, without repeating what was sent.
 */
export function parseRequest<Schema extends v.GenericSchema>(schema: Schema, json: unknown): v.InferOutput<Schema> {
  const result = v.safeParse(schema, json, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new HttpError(422, 'invalid_request', `${place(issue.path ?? [])} ${issue.message}.`);
}

/** The parameters of a request as {@link answerOf} takes them. */
export function answerOptions(parameters: AnswerParameters | null | undefined): AnswerOptions {
  return { topK: parameters?.top_k ?? undefined, scoreFunction: parameters?.function_to_apply ?? undefined };
}

/** @throws HttpError 422 for a parameter that has no meaning for the task. */
export function refuseForeignParameters(parameters: AnswerParameters | null | undefined, task: Task): void {
  for (const [name, value] of Object.entries(parameters ?? {})) {
    if (value === null || value === undefined) continue;
    if (task === 'regression') {
      throw new HttpError(
        422,
        'invalid_request',
        `parameters.${name} is for models with labels; this one answers with a number. Leave it out.`,
      );
    }
    if (name === 'function_to_apply' && !SCORE_FUNCTIONS_OF[task].some((known) => known === value)) {
      throw new HttpError(
        422,
        'invalid_request',
        `parameters.${name} must be ${SCORE_FUNCTIONS_OF[task].map((known) => `"${known}"`).join(' or ')}: ` +
          'several labels of this model may apply to one text, so that their scores do not share a sum.',
      );
    }
  }
}

/** Where in the body: `inputs[3]`, `parameters.top_k`. A key that is missing or unknown is its object's fault, and not named. */
function place(path: readonly v.IssuePathItem[]): string {
  const keys = path.filter((item) => item.origin === 'value').map(({ key }) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`));
  return keys.length === 0 ? 'The body' : keys.join('').slice(1);
}
