import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';

import { answerOf } from '../answers.ts';
import type { Classifier } from '../classifier.ts';
import { deadlineError, HttpError } from '../errors.ts';
import { parseClassifyRequest, type ClassifyRequest } from '../schema.ts';

export interface ClassifyRouteOptions {
  readonly classifier: Classifier;
  /** The largest body that is read, in bytes. */
  readonly maxBodyBytes: number;
  /** The most texts in one request. */
  readonly maxTexts: number;
  /** How long a request may wait for its answer. */
  readonly deadlineMilliseconds: number;
  /** Aborted, with the error to answer with, when what is in flight must be given up. */
  readonly shutdown?: AbortSignal | undefined;
}

/**
 * `POST /v1/classify`. One text is answered in the shape of the model's task: its labels and scores, best first (Hugging
 * Face's shape); the labels that apply, and all scores; or a value. A list of texts is answered with a list of such answers in
 * the same order. `answerSchemas` in schema.ts says it exactly. A text may have any length: it is read to its end.
 */
export function classifyRoute(options: ClassifyRouteOptions): Hono {
  const { classifier, maxBodyBytes, maxTexts, deadlineMilliseconds, shutdown } = options;
  const route = new Hono();
  const limitBody = bodyLimit({
    maxSize: maxBodyBytes,
    onError: () => {
      throw new HttpError(413, 'body_too_large', `The body has more than ${maxBodyBytes} bytes. Send the texts in several requests.`);
    },
  });
  route.post('/v1/classify', limitBody, async (context) => {
    requireJson(context.req.raw.headers);
    const request = parseClassifyRequest(parseJson(await context.req.arrayBuffer()), classifier.bundle.task);
    const texts = textsOf(request, maxTexts);
    const logits = await withDeadline(deadlineMilliseconds, (deadline) => {
      const signals = [context.req.raw.signal, deadline, ...(shutdown === undefined ? [] : [shutdown])];
      return classifier.classify(texts, { signal: AbortSignal.any(signals) });
    });
    const { top_k, function_to_apply } = request.parameters ?? {};
    const options = { topK: top_k ?? undefined, scoreFunction: function_to_apply ?? undefined };
    const answers = logits.map((members) => answerOf(classifier.bundle, members, options));
    return context.json(typeof request.inputs === 'string' ? answers[0] : answers);
  });
  return route;
}

/**
 * Runs with a signal that is aborted with a 504 when the time is over. Not AbortSignal.timeout: combined with others, Node 24
 * keeps that one in memory until its time has come, which under load are a hundred thousand signals.
 */
async function withDeadline<Result>(milliseconds: number, run: (deadline: AbortSignal) => Promise<Result>): Promise<Result> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(deadlineError()), milliseconds);
  try {
    return await run(controller.signal);
  } finally {
    clearTimeout(timer);
  }
}

/** @throws HttpError 415 unless the body says it is uncompressed JSON in UTF-8. */
function requireJson(headers: Headers): void {
  const encoding = headers.get('content-encoding') ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') throw new HttpError(415, 'unsupported_media_type', 'Send the body without content-encoding.');
  const [type = '', ...parameters] = (headers.get('content-type') ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  const charset = parameters
    .find((parameter) => parameter.startsWith('charset='))
    ?.slice('charset='.length)
    .replaceAll('"', '');
  if (type !== 'application/json' || (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8')) {
    throw new HttpError(415, 'unsupported_media_type', 'Send JSON in UTF-8, with the header "content-type: application/json".');
  }
}

/** @throws HttpError 400 when the body is empty, not UTF-8 or not JSON. */
function parseJson(body: ArrayBuffer): unknown {
  if (body.byteLength === 0) throw new HttpError(400, 'malformed_body', 'The body is empty. Send JSON like {"inputs": "text"}.');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new HttpError(400, 'malformed_body', 'The body is not valid UTF-8.');
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The parser's own message would repeat a piece of the body.
    throw new HttpError(400, 'malformed_body', 'The body is not valid JSON. Send JSON like {"inputs": "text"}.');
  }
}

/**
 * The texts of a request. Half of a surrogate pair, which no UTF-8 text can hold, becomes U+FFFD.
 *
 * @throws HttpError 400 when there is nothing to classify, 413 when there is too much.
 */
function textsOf({ inputs }: ClassifyRequest, maxTexts: number): string[] {
  const texts = typeof inputs === 'string' ? [inputs] : inputs;
  if (texts.length === 0) throw new HttpError(400, 'empty_input', 'inputs is an empty array. Send at least one text.');
  if (texts.length > maxTexts) {
    throw new HttpError(413, 'too_many_texts', `inputs has ${texts.length} texts; at most ${maxTexts} are taken in one request.`);
  }
  const blank = texts.findIndex((text) => text.trim() === '');
  if (blank >= 0) {
    throw new HttpError(
      400,
      'empty_input',
      `${typeof inputs === 'string' ? 'inputs' : `inputs[${blank}]`} is blank. There is nothing in it to classify.`,
    );
  }
  return texts.map((text) => text.toWellFormed());
}
