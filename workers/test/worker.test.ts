import { env, SELF } from 'cloudflare:test';
import { describe, expect, inject, it } from 'vitest';

import { scoresOf, type LabelScore } from '../../serve/classifier.ts';
import { loadEdgeBundle } from '../src/edgeRuntime.ts';
import { article, TEXTS } from './texts.ts';

/** onnxruntime-web against onnxruntime-node, in probabilities. */
const TOLERANCE = 1e-4;

const post = (body: unknown, init: RequestInit = {}) =>
  SELF.fetch('http://edge.test/v1/classify', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
  });

function expectScores(actual: readonly LabelScore[] | undefined, wanted: readonly LabelScore[]): void {
  const byLabel = new Map(actual?.map(({ label, score }) => [label, score]));
  expect(byLabel.size).toBe(wanted.length);
  for (const { label, score } of wanted) expect(Math.abs((byLabel.get(label) ?? NaN) - score)).toBeLessThan(TOLERANCE);
}

const nodeAnswer = (index: number) => scoresOf(inject('labels'), Float32Array.from(inject('nodeLogits')[index] ?? []));

describe('the Worker', () => {
  it('answers as onnxruntime-node does, text by text', async () => {
    for (const [index, text] of TEXTS.entries()) {
      const response = await post({ inputs: text });
      expect(response.status).toBe(200);
      expectScores((await response.json()) as LabelScore[], nodeAnswer(index));
    }
  });

  it('answers the same in one list, where texts share graph calls', async () => {
    const answers = (await (await post({ inputs: TEXTS })).json()) as LabelScore[][];
    expect(answers).toHaveLength(TEXTS.length);
    for (const [index, answer] of answers.entries()) expectScores(answer, nodeAnswer(index));
  });

  it('answers the same to many requests at once', async () => {
    const answers = await Promise.all(TEXTS.map(async (inputs) => (await (await post({ inputs })).json()) as LabelScore[]));
    for (const [index, answer] of answers.entries()) expectScores(answer, nodeAnswer(index));
  });

  it('answers a short text before a long one that came earlier', async () => {
    const order: string[] = [];
    const long = post({ inputs: article(20_000) }).then((response) => {
      order.push('long');
      return response;
    });
    const short = post({ inputs: 'best film' }).then((response) => {
      order.push('short');
      return response;
    });
    expect((await short).status).toBe(200);
    expect((await long).status).toBe(200);
    expect(order).toEqual(['short', 'long']);
  });

  it('tells its health and its model', async () => {
    expect(await (await SELF.fetch('http://edge.test/health')).json()).toEqual({ status: 'ok' });
    expect(await (await SELF.fetch('http://edge.test/v1/models')).json()).toMatchObject({ models: [{ name: 'tiny', labels: inject('labels') }] });
  });

  it.each([
    ['nothing', '', 400, 'malformed_body'],
    ['broken JSON', '{"inputs": "', 400, 'malformed_body'],
    ['an empty list', '{"inputs": []}', 400, 'empty_input'],
    ['a wrong type', '{"inputs": {"text": "good"}}', 422, 'invalid_request'],
    ['too many texts', JSON.stringify({ inputs: Array.from({ length: 500 }, () => 'good') }), 413, 'too_many_texts'],
    ['a 10 MB text', JSON.stringify({ inputs: 'x'.repeat(10_000_000) }), 413, 'body_too_large'],
    ['deep nesting', '['.repeat(100_000), 400, 'malformed_body'],
  ])('refuses %s', async (_what, body, status, code) => {
    const response = await post(body);
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({ error: { code, message: expect.any(String) } });
  });

  it('refuses what is not JSON, other methods and other addresses', async () => {
    expect((await post('inputs=good', { headers: { 'content-type': 'application/x-www-form-urlencoded' } })).status).toBe(415);
    expect((await SELF.fetch('http://edge.test/v1/classify')).status).toBe(405);
    expect((await SELF.fetch('http://edge.test/nothing')).status).toBe(404);
  });

  it('gives nobody the model', async () => {
    for (const file of ['bundle.json', 'model.onnx', 'weights-00.bin', 'vocabulary.json']) {
      expect((await SELF.fetch(`http://edge.test/${file}`)).status).toBe(404);
    }
  });
});

describe('loadEdgeBundle', () => {
  /** The deployed assets, with one file changed on the way. */
  const assetsWith = (file: string, change: (bytes: Uint8Array) => Uint8Array<ArrayBuffer> | undefined): Fetcher => ({
    async fetch(input) {
      const response = await env.ASSETS.fetch(input);
      if (!String(input).endsWith(`/${file}`)) return response;
      const changed = change(new Uint8Array(await response.arrayBuffer()));
      return changed === undefined ? new Response(null, { status: 404 }) : new Response(changed);
    },
  });

  it('refuses a damaged shard, vocabulary or description', async () => {
    const flipped = (bytes: Uint8Array) => Uint8Array.from(bytes, (byte, index) => (index === 100 ? byte ^ 1 : byte));
    await expect(loadEdgeBundle(assetsWith('weights-01.bin', flipped))).rejects.toThrow('weights-01.bin is damaged');
    await expect(loadEdgeBundle(assetsWith('model.onnx', flipped))).rejects.toThrow('model.onnx is damaged');
    await expect(loadEdgeBundle(assetsWith('vocabulary.json', flipped))).rejects.toThrow('vocabulary.json is not the vocabulary');
    const renamed = (bytes: Uint8Array) => new TextEncoder().encode(new TextDecoder().decode(bytes).replace('"tiny"', '"tony"'));
    await expect(loadEdgeBundle(assetsWith('bundle.json', renamed))).rejects.toThrow('bundle.json was changed');
  });

  it('says which asset is missing', async () => {
    await expect(loadEdgeBundle(assetsWith('weights-00.bin', () => undefined))).rejects.toThrow('The asset weights-00.bin was answered with 404');
  });
});
