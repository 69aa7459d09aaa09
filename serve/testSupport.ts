/** What the tests of the app share: small vocabularies, requests, and what every answer must look like. */
import { expect } from 'vitest';

import { SPECIAL_TOKENS } from '../text/vocabulary.ts';
import { createApp, type AppOptions } from './app.ts';
import { Classifier } from './classifier.ts';
import type { LoadedBundle } from './classifierRuntime.ts';
import type { ModelFiles } from './modelFiles.ts';
import { fixedModels } from './modelRegistry.ts';
import type { LabelScore } from './schema.ts';
import type { App } from './service.ts';

export const WORDS = 'the a film was good bad and not very it is but i this that of to in story plot actor fine dull , . !'.split(' ');
export const TOKENS = [...SPECIAL_TOKENS, ...WORDS];
export const SIZES = { vocabulary: TOKENS.length, embedding: 6, hidden: 8, layers: 2 };
/** Float32 sums in another order. */
export const TOLERANCE = 1e-5;
/** Stands in texts where an error must not repeat them. */
export const SECRET = 'Xylophone-Secret';

export type TestAppOptions = Partial<AppOptions> & {
  readonly maxBatch?: number;
  readonly maxQueue?: number;
  /** What the model can be copied from. */
  readonly files?: ModelFiles;
};

/** An app on a bundle, whose faults are collected. */
export function appOn(
  loaded: LoadedBundle,
  faults: unknown[],
  { maxBatch = 4, maxQueue = 64, files, ...options }: TestAppOptions = {},
): App {
  const classifier = new Classifier(loaded, { maxBatch, maxQueue });
  return createApp({ models: fixedModels([classifier], () => files), onFault: (error) => faults.push(error), ...options });
}

export async function post(
  app: App,
  body: string | Uint8Array<ArrayBuffer>,
  init: { headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<Response> {
  const { headers = { 'content-type': 'application/json' }, signal } = init;
  return app.request('/v1/classify', { method: 'POST', headers, body, ...(signal === undefined ? {} : { signal }) });
}

export const classify = (app: App, body: unknown) => post(app, JSON.stringify(body));

export function expectScores(actual: unknown, wanted: readonly LabelScore[]): void {
  const scores = actual as LabelScore[];
  expect(scores.map(({ label }) => label)).toEqual(wanted.map(({ label }) => label));
  for (const [index, { score }] of wanted.entries()) expect(Math.abs((scores[index]?.score ?? NaN) - score)).toBeLessThan(TOLERANCE);
}

/** The error that was answered. Every one has the same shape and nothing more, and repeats nothing of what was sent. */
export async function errorOf(response: Response): Promise<{ status: number; code: string; message: string }> {
  const text = await response.text();
  const body = JSON.parse(text) as { error: { code: string; message: string } };
  expect(body).toEqual({ error: { code: expect.any(String), message: expect.stringMatching(/^[A-Za-z].*\.$/s) } });
  expect(text).not.toContain(SECRET);
  expect(text).not.toMatch(/\.ts:|node_modules|at Object/);
  return { status: response.status, ...body.error };
}
