import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { PlainRuntime, plainBundle } from '../test/fixtures/plainRuntime.ts';
import { tokenize } from '../text/tokenizer.ts';
import { Vocabulary } from '../text/vocabulary.ts';
import { answerOf } from './answers.ts';
import type { LoadedBundle } from './classifierRuntime.ts';
import type { LabelScore } from './schema.ts';
import type { App } from './service.ts';
import { MemorySessionStore } from './sessionStore.ts';
import { appOn, SECRET, SIZES, TOKENS } from './testSupport.ts';
import { VERSION } from './version.ts';

interface Inferred {
  readonly error: string;
  readonly outputs: readonly { readonly name: string; readonly shape: readonly number[]; readonly data: readonly (string | number)[] }[];
}

let runtime: PlainRuntime;
let loaded: LoadedBundle;
let faults: unknown[];
let store: MemorySessionStore;
let time: number;
let app: App;

beforeEach(() => {
  runtime = new PlainRuntime({ sizes: SIZES });
  loaded = plainBundle([{ runtime, vocabulary: TOKENS }]);
  faults = [];
  time = 0;
  store = new MemorySessionStore({ maxSessions: 2, idleMilliseconds: 1000, now: () => time });
  app = appOn(loaded, faults, { sessions: store });
});

afterEach(() => {
  expect(faults).toEqual([]);
});

const inputs = (...data: readonly string[]) => [{ name: 'text', datatype: 'BYTES', shape: [data.length], data }];

async function infer(body: unknown, path = '/v2/models/plain/infer'): Promise<{ status: number; body: Inferred }> {
  const response = await app.request(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as Inferred };
}

/** The probabilities of a text in the order of the labels. */
function scores(text: string): number[] {
  const answer = answerOf(loaded.bundle, [runtime.alone(Vocabulary.fromTokens(TOKENS).encode(tokenize(text)))]) as LabelScore[];
  return loaded.bundle.labels.map((label) => answer.find((score) => score.label === label)?.score ?? Number.NaN);
}

function expectScoresOf(body: Inferred, ...texts: readonly string[]): void {
  const { data = [], shape } = body.outputs.find(({ name }) => name === 'scores') ?? {};
  expect(shape).toEqual([texts.length, 3]);
  const wanted = texts.flatMap(scores);
  for (const [index, value] of data.entries()) expect(Math.abs(Number(value) - (wanted[index] ?? Number.NaN))).toBeLessThan(1e-5);
}

describe('the Open Inference Protocol', () => {
  it('tells the server, its health, and the model', async () => {
    const get = async (path: string) => (await app.request(path)).json();
    expect(await get('/v2')).toEqual({ name: 'ulmfit', version: VERSION, extensions: ['sequence'] });
    expect(VERSION).toBe((JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version);
    expect(await get('/v2/health/live')).toEqual({ live: true });
    expect(await get('/v2/health/ready')).toEqual({ ready: true });
    for (const path of ['/v2/models/plain', '/v2/models/plain/versions/1']) {
      expect(await get(`${path}/ready`)).toEqual({ name: 'plain', ready: true });
      expect(await get(path)).toEqual({
        name: 'plain',
        versions: ['1'],
        platform: 'ulmfit_onnxruntime',
        inputs: [{ name: 'text', datatype: 'BYTES', shape: [-1] }],
        outputs: [
          { name: 'label', datatype: 'BYTES', shape: [-1] },
          { name: 'scores', datatype: 'FP32', shape: [-1, 3] },
          { name: 'labels', datatype: 'BYTES', shape: [3] },
        ],
      });
    }
  });

  it('answers texts with tensors: all of them, or those asked for', async () => {
    const texts = ['good film', 'the plot was dull'];
    const { status, body } = await infer({ id: '42', inputs: inputs(...texts) });
    expect(status).toBe(200);
    expect(body).toMatchObject({ model_name: 'plain', model_version: '1', id: '42' });
    expectScoresOf(body, ...texts);
    const best = texts.map((text) => loaded.bundle.labels[scores(text).indexOf(Math.max(...scores(text)))]);
    expect(body.outputs.find(({ name }) => name === 'label')?.data).toEqual(best);
    const rows = await infer({
      inputs: [{ ...inputs()[0], shape: [2, 1], data: texts.map((text) => [text]) }],
      outputs: [{ name: 'scores' }],
    });
    expect(rows.body.outputs).toEqual([body.outputs.find(({ name }) => name === 'scores')]);
  });

  it('reads the pieces of a sequence as one document', async () => {
    const pieces = ['The fil', 'm was not ve', 'ry good, but ', 'I like it'];
    for (const [index, piece] of pieces.entries()) {
      const parameters = { sequence_id: 7, sequence_start: index === 0, sequence_end: index === pieces.length - 1 };
      const { status, body } = await infer({ parameters, inputs: inputs(piece) });
      expect(status).toBe(200);
      expectScoresOf(body, pieces.slice(0, index + 1).join(''));
      // Whole documents, and another sequence, meanwhile.
      expectScoresOf((await infer({ inputs: inputs('bad plot') })).body, 'bad plot');
      expectScoresOf((await infer({ parameters: { sequence_id: '7', sequence_start: true }, inputs: inputs('dull') })).body, 'dull');
    }
    expect(store.size).toBe(1);
  });

  it('refuses a sequence that was not started, has ended, or has waited too long, and nothing of it is left', async () => {
    const missing = expect.stringContaining('has not been started, has ended, or has waited too long');
    const next = (parameters: object, text = 'good') => infer({ parameters: { sequence_id: 'a', ...parameters }, inputs: inputs(text) });
    expect(await next({})).toEqual({ status: 409, body: { error: missing } });
    expect((await next({ sequence_start: true }, 'bad bad film')).status).toBe(200);
    time += 1000;
    expect(store.size).toBe(0);
    expect(await next({})).toEqual({ status: 409, body: { error: missing } });
    expectScoresOf((await next({ sequence_start: true }, 'good')).body, 'good');
    // A start begins anew, whether or not the sequence before has ended.
    expectScoresOf((await next({ sequence_start: true, sequence_end: true }, 'fine')).body, 'fine');
    expect(await next({ sequence_end: true })).toEqual({ status: 409, body: { error: missing } });
    expect(store.size).toBe(0);
  });

  it.each<[string, unknown, number, string]>([
    ['no inputs', {}, 422, 'inputs'],
    ['another input', { inputs: [{ ...inputs('x')[0], name: SECRET }] }, 422, 'inputs[0].name must be "text"'],
    ['another type', { inputs: [{ ...inputs('x')[0], datatype: 'FP32' }] }, 422, 'inputs[0].datatype must be "BYTES"'],
    ['numbers', { inputs: [{ ...inputs('x')[0], data: [3] }] }, 422, 'inputs[0].data[0] must be a string'],
    ['another shape', { inputs: [{ ...inputs('x')[0], shape: [2] }] }, 400, 'inputs[0].data has 1 texts, but inputs[0].shape says 2'],
    ['a wide shape', { inputs: [{ ...inputs('x')[0], shape: [1, 2] }] }, 400, 'inputs[0].shape must be [1] or [1, 1]'],
    ['no text', { inputs: inputs() }, 400, 'has no texts'],
    ['a blank text', { inputs: inputs('good', ' ') }, 400, 'inputs[0].data[1] is blank'],
    ['an output of other models', { inputs: inputs('x'), outputs: [{ name: 'value' }] }, 400, 'The model has no output "value"'],
    ['two texts in a sequence', { parameters: { sequence_id: 1, sequence_start: true }, inputs: inputs('x', 'y') }, 400, 'brings one'],
    ['a start without id', { parameters: { sequence_start: true }, inputs: inputs('x') }, 400, 'need a sequence_id'],
    ['a wrong flag', { parameters: { sequence_id: 1, sequence_start: 'yes' }, inputs: inputs('x') }, 422, 'must be true or false'],
  ])('refuses %s', async (_what, request, status, message) => {
    const refused = await infer(request);
    expect(refused).toEqual({ status, body: { error: expect.stringContaining(message) } });
    expect(refused.body.error).not.toContain(SECRET);
    expect(store.size).toBe(0);
  });

  it('answers every error in the shape of the protocol', async () => {
    for (const [path, method, status] of [
      ['/v2/models/other', 'GET', 404],
      ['/v2/models/plain/versions/9/ready', 'GET', 404],
      ['/v2/nothing', 'GET', 404],
      ['/v2/models/plain/infer', 'GET', 405],
      ['/v2/models/plain/infer', 'POST', 415],
    ] as const) {
      const response = await app.request(path, { method });
      expect(response.status).toBe(status);
      expect(await response.json()).toEqual({ error: expect.stringMatching(/^[A-Z].*\.$/) });
    }
  });
});
