/** What the tests of the server on Node share: bundles on disk, requests, and what every answer must be. */
import { expect } from 'vitest';

import { expectedAnswer, type TinyClassifier } from '../../test/fixtures/tinyClassifier.ts';
import { tokenize } from '../../text/tokenizer.ts';
import type { LabelScore } from '../schema.ts';

/** onnxruntime in float32 against the equations in float64. */
export const TOLERANCE = 1e-5;
/** Small, so that the equations in plain TypeScript can follow long texts. */
export const SIZES = { embedding: 8, hidden: 8, layers: 2 };
/** Often enough to see a document that is answered within a moment. */
export const POLL = { interval: 1, timeout: 20_000 };

const WORDS = 'the film was good but story boring funny best actor love hate you i they watch more time worst plot great'.split(' ');

export const article = (words: number, seed = 0): string =>
  Array.from({ length: words }, (_, index) => WORDS[(index * 11 + seed + (index >> 4)) % WORDS.length]).join(' ');

export interface Asking {
  /** For example `/v1/models/reviews/classify`. */
  readonly path?: string;
  readonly key?: string;
  readonly method?: string;
}

export const ask = (url: string, body: unknown, { path = '/v1/classify', key, method = 'POST' }: Asking = {}): Promise<Response> =>
  fetch(url + path, {
    method,
    headers: { 'content-type': 'application/json', ...(key !== undefined && { authorization: `Bearer ${key}` }) },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

/** What each model's equations give for each text: worked out once, for tests that compare thousands of answers. */
const expected = new WeakMap<TinyClassifier, Map<string, readonly number[]>>();

/** Whether these are the scores that a model's equations give. */
export function isAnswerOf(model: TinyClassifier, text: string, scores: readonly LabelScore[]): boolean {
  const known = expected.get(model) ?? new Map<string, readonly number[]>();
  const wanted = known.get(text) ?? expectedAnswer([model], tokenize(text));
  expected.set(model, known.set(text, wanted));
  return (
    scores.length === wanted.length &&
    model.config.labels.every((name, place) => {
      const found = scores.find(({ label }) => label === name)?.score ?? Number.NaN;
      return Math.abs(found - (wanted[place] ?? Number.NaN)) < TOLERANCE;
    })
  );
}

/** The error that was answered, which has one shape. */
export async function errorIn(response: Response): Promise<{ status: number; code: string; message: string }> {
  const body = (await response.json()) as { error: { code: string; message: string } };
  expect(body).toEqual({ error: { code: expect.any(String), message: expect.stringMatching(/^.*\.$/s) } });
  return { status: response.status, ...body.error };
}
