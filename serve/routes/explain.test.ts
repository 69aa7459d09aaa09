import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as v from 'valibot';

import { PlainRuntime, plainBundle } from '../../test/fixtures/plainRuntime.ts';
import type { App } from '../service.ts';
import type { LoadedBundle } from '../classifierRuntime.ts';
import type { LabelScore } from '../schema.ts';
import { appOn, classify, errorOf, SECRET, SIZES, type TestAppOptions, TOKENS } from '../testSupport.ts';
import { explanationSchema } from '../explainSchema.ts';
import { MAX_EXPLAINED_TOKENS } from './explain.ts';

let runtime: PlainRuntime;
let loaded: LoadedBundle;
let faults: unknown[];

const appWith = (options: TestAppOptions = {}): App => appOn(loaded, faults, options);

const explain = (app: App, body: unknown) =>
  app.request('/v1/explain', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

async function explained(app: App, body: unknown): Promise<v.InferOutput<typeof explanationSchema>> {
  const response = await explain(app, body);
  expect(response.status).toBe(200);
  return v.parse(explanationSchema, await response.json());
}

beforeEach(() => {
  runtime = new PlainRuntime({ sizes: SIZES });
  loaded = plainBundle([{ runtime, vocabulary: TOKENS }]);
  faults = [];
});

afterEach(() => expect(faults).toEqual([]));

const TEXT = 'The film was not very good, but the actor was fine.';

describe('POST /v1/explain', () => {
  it('explains the likeliest label word by word, as beginnings of the text are answered, and texts without a word', async () => {
    const app = appWith();
    const scoreOf = async (inputs: string, label: string | null) =>
      ((await (await classify(app, { inputs })).json()) as LabelScore[]).find((scored) => scored.label === label)?.score;
    const [best] = (await (await classify(app, { inputs: TEXT })).json()) as LabelScore[];
    const { label, value, text, words } = await explained(app, { inputs: TEXT });
    expect([label, value]).toEqual([best?.label, expect.closeTo(best?.score ?? Number.NaN, 5)]);
    expect(text).toBe(TEXT);
    expect(words.map(({ text: word }) => word).join(' ')).toBe('The film was not very good , but the actor was fine .');
    for (const { start, end, text: word, value: after, occlusion } of words) {
      expect(text.slice(start, end)).toBe(word);
      expect(after).toBeCloseTo((await scoreOf(text.slice(0, end), label)) ?? Number.NaN, 5);
      const without = await scoreOf(`${text.slice(0, start)} qwk ${text.slice(end)}`, label);
      expect(occlusion).toBeCloseTo(value - (without ?? Number.NaN), 5);
    }
    expect(words.at(-1)?.value).toBeCloseTo(value, 5);
  });

  it('explains the label that is asked for, and leaves out as many words as are asked for', async () => {
    const app = appWith();
    for (const label of loaded.bundle.labels) expect((await explained(app, { inputs: TEXT, parameters: { label } })).label).toBe(label);
    const { words, occlusion } = await explained(app, { inputs: TEXT, parameters: { max_words: 2, occlusion: 'left_out' } });
    expect([words.filter((word) => word.occlusion !== null).length, occlusion]).toEqual([2, 'left_out']);
  });

  it('takes no more of the queue than a few places, and leaves none behind', async () => {
    const app = appWith({ maxQueue: 16 });
    const [one, other] = await Promise.all([explained(app, { inputs: TEXT }), classify(app, { inputs: 'good' })]);
    expect(one.words).toHaveLength(13);
    expect(other.status).toBe(200);
  });

  it.each([
    ['two texts', { inputs: ['good', SECRET] }, 422, 'invalid_request'],
    ['a blank text', { inputs: ' ' }, 400, 'empty_input'],
    ['an unknown label', { inputs: 'good', parameters: { label: SECRET } }, 422, 'invalid_request'],
    ['too many words', { inputs: 'good', parameters: { max_words: 101 } }, 422, 'invalid_request'],
    ['an unknown entry', { inputs: 'good', [SECRET]: 1 }, 422, 'invalid_request'],
    ['a text with too many tokens', { inputs: 'good film '.repeat(MAX_EXPLAINED_TOKENS / 2) }, 413, 'text_too_long'],
  ])('refuses %s', async (_what, body, status, code) => {
    expect(await errorOf(await explain(appWith(), body))).toMatchObject({ status, code });
  });

  it('stops at the deadline, and when the client leaves', async () => {
    runtime.beforeCall = () => new Promise((resolve) => setTimeout(resolve, 5));
    expect(await errorOf(await explain(appWith({ deadlineMilliseconds: 20 }), { inputs: TEXT }))).toMatchObject({ status: 504 });
    const client = new AbortController();
    const request = appWith().request('/v1/explain', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: TEXT }),
      signal: client.signal,
    });
    client.abort();
    expect((await request).status).toBe(499);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const calls = runtime.calls.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(runtime.calls).toHaveLength(calls);
  });
});
