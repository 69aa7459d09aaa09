/** Documents as NDJSON, one JSON object a line: what requests with many documents share. */
import type { Context } from 'hono';
import * as v from 'valibot';

import type { Task } from '../export/bundle.ts';
import type { AnswerOptions } from './answers.ts';
import { HttpError } from './errors.ts';
import type { Limits } from './limits.ts';
import { lineSchema } from './lineSchema.ts';
import { requireText, requireUncompressed } from './requests.ts';
import { parseClassifyRequest } from './schema.ts';

/** Of NDJSON; others that people use are taken too. */
export const LINES_MEDIA_TYPE = 'application/x-ndjson';
const MEDIA_TYPES: readonly string[] = [LINES_MEDIA_TYPE, 'application/ndjson', 'application/jsonl', 'application/x-jsonlines'];

/** @throws HttpError 415 unless the body says it is uncompressed NDJSON. */
export function requireLines(headers: Headers): void {
  requireUncompressed(headers);
  const [type = ''] = (headers.get('content-type') ?? '').toLowerCase().split(';');
  if (!MEDIA_TYPES.includes(type.trim())) {
    throw new HttpError(415, 'unsupported_media_type', `Send one JSON object a line, with the header "content-type: ${LINES_MEDIA_TYPE}".`);
  }
}

/**
 * What the query of a request's address asks of the answers.
 *
 * @throws HttpError 422 for parameters that have no meaning.
 */
export function answerOptions(context: Context, task: Task): AnswerOptions {
  const { top_k, function_to_apply, ...others } = context.req.query();
  const [other] = Object.keys(others);
  if (other !== undefined) {
    throw new HttpError(422, 'invalid_request', 'The query of the address takes "top_k" and "function_to_apply", and no other entries.');
  }
  const parameters = {
    ...(top_k !== undefined && { top_k: /^\d+$/.test(top_k) ? Number(top_k) : Number.NaN }),
    ...(function_to_apply !== undefined && { function_to_apply }),
  };
  const { parameters: parsed } = parseClassifyRequest({ inputs: '', parameters }, task);
  return { topK: parsed?.top_k ?? undefined, scoreFunction: parsed?.function_to_apply ?? undefined };
}

/**
 * The document in a line; undefined for a blank line.
 *
 * @param bytes undefined for a line that was too long to be kept
 * @param number of the line, counted from 1, for messages
 * @throws HttpError that says what is wrong with the line, without repeating it.
 */
export function parseLine(
  bytes: Uint8Array | undefined,
  number: number,
  limits: Pick<Limits, 'maxBodyBytes' | 'maxTextLength'>,
): { readonly text: string; readonly id: string | number | undefined } | undefined {
  const place = `Line ${number}`;
  if (bytes === undefined) {
    throw new HttpError(413, 'text_too_long', `${place} has more than ${limits.maxBodyBytes} bytes. Send a shorter text.`);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new HttpError(400, 'malformed_body', `${place} is not valid UTF-8.`);
  }
  if (text.trim() === '') return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new HttpError(400, 'malformed_body', `${place} is not valid JSON. Send one JSON object a line, such as {"text": "…"}.`);
  }
  const result = v.safeParse(lineSchema, json, { abortEarly: true });
  if (!result.success) {
    const [{ message, path }] = result.issues;
    throw new HttpError(422, 'invalid_request', `${path === undefined ? place : `${String(path[0]?.key)} in line ${number}`} ${message}.`);
  }
  return { text: requireText(result.output.text, `text in line ${number}`, limits), id: result.output.id };
}
