import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { env, exports } from 'cloudflare:workers';
import { describe, expect, inject, it, vi } from 'vitest';

import type { LabelScore } from '../../serve/schema.ts';
import { loadEdgeBundle } from '../src/edgeRuntime.ts';
import worker, { type Env } from '../src/worker.ts';
import { article, TEXTS } from './texts.ts';

/** onnxruntime-web against onnxruntime-node, in probabilities. */
const TOLERANCE = 1e-4;

const post = (body: unknown, init: RequestInit = {}) =>
  exports.default.fetch('http://edge.test/v1/classify', {
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

const nodeAnswer = (index: number) => inject('nodeAnswers').usual[index] as LabelScore[];

const addressOf = (input: Request | URL | string) => (input instanceof Request ? input.url : input.toString());

describe('the Worker', () => {
  it('answers as onnxruntime-node does, text by text', async () => {
    for (const [index, text] of TEXTS.entries()) {
      const response = await post({ inputs: text });
      expect(response.status).toBe(200);
      expectScores((await response.json()) as LabelScore[], nodeAnswer(index));
    }
  });

  it('has the playground, and gives nobody the weights', async () => {
    const page = await exports.default.fetch('http://edge.test/');
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const html = await page.text();
    for (const [, file = ''] of html.matchAll(/(?:src|href)="(\/?playground\/[^"]+)"/g))
      expect([file, (await exports.default.fetch(new URL(file, 'http://edge.test/').href)).status]).toEqual([file, 200]);
    expect(html).toContain('playground.js');
    for (const file of ['bundle.json', 'vocabulary.json', 'playground/index.html'])
      expect([file, (await exports.default.fetch(`http://edge.test/${file}`)).status]).toEqual([file, 404]);
  });

  it('answers the same in one list, where texts share graph calls', async () => {
    const answers = (await (await post({ inputs: TEXTS })).json()) as LabelScore[][];
    expect(answers).toHaveLength(TEXTS.length);
    for (const [index, answer] of answers.entries()) expectScores(answer, nodeAnswer(index));
  });

  it('answers the same to many requests at once', async () => {
    const answers = await Promise.all(TEXTS.map(async (inputs) => (await (await post({ inputs })).json()) as LabelScore[]));
    expect(answers).toHaveLength(TEXTS.length);
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
    expect(await (await exports.default.fetch('http://edge.test/health')).json()).toEqual({ status: 'ok' });
    expect(await (await exports.default.fetch('http://edge.test/v1/models')).json()).toMatchObject({
      models: [{ name: 'usual', labels: ['negative', 'positive', 'neutral'], directions: ['forward'] }],
    });
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
    expect((await exports.default.fetch('http://edge.test/v1/classify')).status).toBe(405);
    expect((await exports.default.fetch('http://edge.test/nothing')).status).toBe(404);
  });

  it('gives nobody the model', async () => {
    for (const file of ['bundle.json', 'forward.onnx', 'forward-weights-00.bin', 'vocabulary.json', 'pair/backward.onnx']) {
      expect((await exports.default.fetch(`http://edge.test/${file}`)).status).toBe(404);
    }
  });
});

describe('a client that hangs up', () => {
  it('frees the places of its documents', async () => {
    const client = new AbortController();
    const ask = (inputs: unknown, signal?: AbortSignal) => {
      const init = {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ inputs }),
        ...(signal && { signal }),
      };
      const context = createExecutionContext();
      return { response: worker.fetch(new Request('http://edge.test/v1/classify', init), env, context), context };
    };
    const long = Array.from({ length: 32 }, (_, index) => article(5_000, index));
    // Three requests of 32 documents where there are 64 places: one of them is refused, the others wait for their answers.
    const requests = [1, 2, 3].map(() => ask(long, client.signal));
    const refused = await Promise.race(requests.map(async (request) => ({ request, status: (await request.response).status })));
    expect(refused.status).toBe(429);
    client.abort();
    for (const { response, context } of requests.filter((request) => request !== refused.request)) {
      expect((await response).status).toBe(499);
      await waitOnExecutionContext(context);
    }
    expect((await ask('good').response).status).toBe(200);
  });
});

describe('a fresh isolate', () => {
  /** The Worker's module as a new isolate has it, with nothing loaded. */
  const freshWorker = async () => {
    vi.resetModules();
    return (await import('../src/worker.ts')).default;
  };
  const ask = (fresh: typeof worker, assets: Fetcher) => {
    const bindings: Env = { ASSETS: assets };
    return fresh.fetch(new Request('http://edge.test/health'), bindings, createExecutionContext());
  };

  it('loads the model once for requests that come together', async () => {
    const asked: string[] = [];
    const counting: Fetcher = {
      fetch: (input) => {
        asked.push(addressOf(input));
        return env.ASSETS.fetch(input);
      },
    };
    const fresh = await freshWorker();
    const responses = await Promise.all([1, 2, 3].map(() => ask(fresh, counting)));
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(asked.filter((address) => address.endsWith('/forward.onnx'))).toHaveLength(1);
  });

  it('answers 503 when the model cannot be loaded, and tries again', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => {});
    const fresh = await freshWorker();
    const broken = await ask(fresh, { fetch: async () => new Response(null, { status: 500 }) });
    expect(broken.status).toBe(503);
    expect(await broken.json()).toEqual({ error: { code: 'unavailable', message: expect.any(String) } });
    expect(log).toHaveBeenCalledOnce();
    log.mockRestore();
    expect((await ask(fresh, env.ASSETS)).status).toBe(200);
  });
});

describe('loadEdgeBundle', () => {
  it('leaves WebAssembly as it found it, and makes a graph call without giving the thread away', async () => {
    const { instantiate } = WebAssembly;
    const { members } = await loadEdgeBundle(env.ASSETS);
    expect(WebAssembly.instantiate).toBe(instantiate);
    const [member] = members;
    if (member === undefined) throw new Error('A bundle has a member.');
    const { runtime } = member;
    // The scheduler relies on it: no request ever sees another one's call half done.
    let others = 0;
    setTimeout(() => (others += 1));
    await runtime.run([{ tokens: Int32Array.of(2, 12, 13), state: runtime.freshState() }]);
    expect(others).toBe(0);
    await runtime.dispose();
  });

  /** The deployed assets, with one file changed on the way. */
  const assetsWith = (file: string, change: (bytes: Uint8Array) => Uint8Array<ArrayBuffer> | undefined): Fetcher => ({
    async fetch(input) {
      const response = await env.ASSETS.fetch(input);
      if (!addressOf(input).endsWith(`/${file}`)) return response;
      const changed = change(new Uint8Array(await response.arrayBuffer()));
      return changed === undefined ? new Response(null, { status: 404 }) : new Response(changed);
    },
  });

  it('refuses a damaged shard, vocabulary or description', async () => {
    const flipped = (bytes: Uint8Array) => Uint8Array.from(bytes, (byte, index) => (index === 100 ? byte ^ 1 : byte));
    await expect(loadEdgeBundle(assetsWith('forward-weights-01.bin', flipped))).rejects.toThrow('forward-weights-01.bin is damaged');
    await expect(loadEdgeBundle(assetsWith('forward.onnx', flipped))).rejects.toThrow('forward.onnx is damaged');
    await expect(loadEdgeBundle(assetsWith('vocabulary.json', flipped))).rejects.toThrow('vocabulary.json is not the vocabulary');
    const renamed = (bytes: Uint8Array) => new TextEncoder().encode(new TextDecoder().decode(bytes).replace('"usual"', '"useful"'));
    await expect(loadEdgeBundle(assetsWith('bundle.json', renamed))).rejects.toThrow('bundle.json was changed');
  });

  it('says which asset is missing', async () => {
    await expect(loadEdgeBundle(assetsWith('forward-weights-00.bin', () => undefined))).rejects.toThrow(
      'The asset forward-weights-00.bin was answered with 404',
    );
  });
});
