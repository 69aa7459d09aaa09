/** The kernel in workerd: its arithmetic to the last bit, and whole deployments on it. */
import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, inject, it, vi } from 'vitest';

import type { ChunkRow, DocumentState } from '../../serve/classifierRuntime.ts';
import type { LabelScore } from '../../serve/schema.ts';
import plain from '../kernel/lstm-plain.wasm';
import relaxed from '../kernel/lstm-relaxed.wasm';
import { packWeights, type GraphWeights } from '../kernel/pack.ts';
import { loadEdgeBundle } from '../src/edgeRuntime.ts';
import { KernelMemoryError, KernelRuntime } from '../src/kernelRuntime.ts';
import { exp, referenceChunk } from './kernelReference.ts';
import { TEXTS } from './texts.ts';

const CHUNK = 200;
/** 8-bit weights and 7-bit activations against float32, in probabilities of the random classifiers here. */
const INT8_TOLERANCE = 0.05;

/** A seeded generator (Marsaglia 2003, "Xorshift RNGs"): numbers in [−1, 1). */
function noise(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b9) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state | 0) / 2 ** 31;
  };
}

function randomWeights(seed: number, embedding: number, hidden: number, layers: number): GraphWeights {
  const random = noise(seed);
  const numbers = (length: number, range: number) => Float32Array.from({ length }, () => range * random());
  const sizes = { vocabulary: 50, embedding, hidden, layers, headHidden: 50, outputs: 3 };
  return {
    sizes,
    embedding: numbers(50 * embedding, 1),
    layers: Array.from({ length: layers }, (_, layer) => {
      const [inputSize, hiddenSize] = [layer === 0 ? embedding : hidden, layer === layers - 1 ? embedding : hidden];
      const range = 3 / Math.sqrt(hiddenSize);
      return {
        inputSize,
        hiddenSize,
        inputWeights: numbers(4 * hiddenSize * inputSize, range),
        recurrentWeights: numbers(4 * hiddenSize * hiddenSize, range),
        biases: numbers(4 * hiddenSize, 0.5),
      };
    }),
    head: [
      { mean: numbers(3 * embedding, 0.1), weight: numbers(150 * embedding, 0.2), bias: numbers(50, 0.2) },
      { mean: numbers(50, 0.1), weight: numbers(150, 0.3), bias: numbers(3, 0.1) },
    ],
  };
}

function runtimeOf(module: WebAssembly.Module, weights: GraphWeights, maxBatch = 16): KernelRuntime {
  const options = { outputs: 3, headHidden: 50, maxBatch, maxBytes: 2 ** 26 };
  const runtime = new KernelRuntime(module, { sizes: weights.sizes, chunkLength: CHUNK }, options);
  runtime.imagePiece(0, runtime.imageBytes).set(packWeights(weights));
  return runtime;
}

function randomTokens(length: number, seed: number): Int32Array {
  const random = noise(seed);
  return Int32Array.from({ length }, () => Math.floor(25 * (random() + 1)));
}

async function stateAfter(runtime: KernelRuntime, tokens: Int32Array, state = runtime.freshState()): Promise<DocumentState> {
  const [result] = await runtime.run([{ tokens, state }]);
  if (result === undefined) throw new Error('The runtime gave no result.');
  return result.state;
}

/** Widths that need padding and widths that do not; from one layer to four. */
const SHAPES = [
  [12, 20, 3],
  [16, 32, 2],
  [40, 48, 4],
  [5, 7, 1],
] as const;

describe.each([
  ['with relaxed SIMD', relaxed],
  ['without relaxed SIMD', plain],
])('the kernel %s', (_name, module) => {
  it.each(SHAPES)('computes what its reference does, to the last bit: embedding %i, hidden %i, layers %i', async (...shape) => {
    const weights = randomWeights(shape[0], ...shape);
    const runtime = runtimeOf(module, weights);
    const tokens = randomTokens(130, shape[1]);
    const first = await stateAfter(runtime, tokens.subarray(0, 101));
    expect(first).toEqual(referenceChunk(weights, { tokens: tokens.subarray(0, 101), state: runtime.freshState() }));
    const second = await stateAfter(runtime, tokens.subarray(101), first);
    expect(second).toEqual(referenceChunk(weights, { tokens: tokens.subarray(101), state: first }));
  });

  it('gives a row the same bits alone and among others, whatever their lengths and places', async () => {
    const weights = randomWeights(1, 24, 32, 3);
    const runtime = runtimeOf(module, weights, 6);
    const rows: ChunkRow[] = [];
    for (const [seed, length] of [1, 200, 33, 2, 199, 12, 96, 97, 200, 5].entries()) {
      const state = seed % 2 === 0 ? runtime.freshState() : await stateAfter(runtime, randomTokens(40, 50 + seed));
      rows.push({ tokens: randomTokens(length, seed), state });
    }
    const together = await runtime.run(rows);
    const alone = await Promise.all(rows.map(async (row) => (await runtime.run([row]))[0]));
    expect(together).toEqual(alone);
  });

  it('comes to the same bits however a document is cut into chunks', async () => {
    const runtime = runtimeOf(module, randomWeights(2, 24, 32, 3));
    const tokens = randomTokens(150, 9);
    const whole = await stateAfter(runtime, tokens);
    for (const cuts of [[70], [1, 2, 3, 60], [96], Array.from({ length: 149 }, (_, index) => index + 1)]) {
      let state = runtime.freshState();
      for (const [index, start] of [0, ...cuts].entries()) state = await stateAfter(runtime, tokens.subarray(start, cuts[index]), state);
      expect(state).toEqual(whole);
    }
  });
});

describe('the kernel', () => {
  it('gives the same bits with relaxed SIMD and without it, at the largest products', async () => {
    const weights = randomWeights(3, 64, 256, 2);
    // Every weight and every activation as large as can be, so that a pair of products nearly fills 16 bits.
    for (const { inputWeights, recurrentWeights } of weights.layers) for (const matrix of [inputWeights, recurrentWeights]) matrix.fill(-1);
    weights.embedding.fill(1);
    const row = { tokens: randomTokens(100, 1), state: runtimeOf(plain, weights).freshState() };
    expect(await runtimeOf(relaxed, weights).run([row])).toEqual(await runtimeOf(plain, weights).run([row]));
    expect((await runtimeOf(relaxed, weights).run([row]))[0]?.state).toEqual(referenceChunk(weights, row));
  });

  it('has an e^x that is one', () => {
    for (let x = -87; x <= 87; x += 0.0371) expect(Math.abs(exp(Math.fround(x)) / Math.exp(Math.fround(x)) - 1)).toBeLessThan(3e-7);
  });

  it('refuses chunks and states that are not its own', async () => {
    const runtime = runtimeOf(relaxed, randomWeights(4, 12, 20, 2));
    const state = runtime.freshState();
    await expect(runtime.run([{ tokens: new Int32Array(), state }])).rejects.toThrow('A chunk has 0 tokens; the model takes 1 to 200.');
    await expect(runtime.run([{ tokens: new Int32Array(201), state }])).rejects.toThrow('A chunk has 201 tokens');
    await expect(runtime.run([{ tokens: Int32Array.of(50), state }])).rejects.toThrow('A chunk has the token 50; the vocabulary has 50.');
    const wrong = { ...state, pooledMax: new Float32Array(5) };
    await expect(runtime.run([{ tokens: Int32Array.of(1), state: wrong }])).rejects.toThrow(
      "A document's state has 5 values where the model has 12.",
    );
    expect(await runtime.run([])).toEqual([]);
  });

  it('takes no more memory than it may, and says so', () => {
    const options = { outputs: 3, headHidden: 50, maxBatch: 16, maxBytes: 2 ** 20 };
    const description = { sizes: { vocabulary: 5000, embedding: 400, hidden: 1152, layers: 3 }, chunkLength: 70 };
    expect(() => new KernelRuntime(relaxed, description, options)).toThrow(KernelMemoryError);
    expect(() => new KernelRuntime(relaxed, description, options)).toThrow(/The model needs 2\d\.\d MiB of memory; it may have 1\.0\./);
  });
});

/** The assets of a deployment that prepare.ts made with --int8. */
function assetsOf(name: string, change: (file: string, bytes: ArrayBuffer) => BodyInit = (_file, bytes) => bytes): Fetcher {
  return {
    async fetch(input) {
      const { pathname } = new URL(input instanceof Request ? input.url : input);
      const response = await env.ASSETS.fetch(`https://assets.test/${name}${pathname}`);
      return response.ok ? new Response(change(pathname.slice(1), await response.arrayBuffer())) : response;
    },
  };
}

describe('a Worker whose bundle was packed for the kernel', () => {
  const freshWorker = async (assets: Fetcher) => {
    vi.resetModules();
    const fresh = (await import('../src/worker.ts')).default;
    return async (inputs: unknown): Promise<Response> => {
      const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ inputs }) };
      const context = createExecutionContext();
      const response = await fresh.fetch(new Request('http://edge.test/v1/classify', init), { ASSETS: assets }, context);
      await waitOnExecutionContext(context);
      return response;
    };
  };

  it.each(['usual', 'pair'] as const)('answers as onnxruntime-node does with float32, within the tolerance: %s', async (name) => {
    const ask = await freshWorker(assetsOf(`int8-${name}`));
    const answers = (await (await ask(TEXTS)).json()) as LabelScore[][];
    expect(answers).toHaveLength(TEXTS.length);
    for (const [index, answer] of answers.entries()) {
      for (const { label, score } of inject('nodeAnswers')[name][index] as LabelScore[]) {
        const ours = answer.find((candidate) => candidate.label === label)?.score ?? NaN;
        expect(Math.abs(ours - score)).toBeLessThan(INT8_TOLERANCE);
      }
    }
    const alone = (await (await ask(TEXTS[5])).json()) as LabelScore[];
    expect(alone).toEqual(answers[5]);
  });

  it('refuses damaged weights, and weights of another bundle', async () => {
    const flipped = (bytes: ArrayBuffer) => Uint8Array.from(new Uint8Array(bytes), (byte, index) => (index === 100 ? byte ^ 1 : byte));
    const damaged = assetsOf('int8-usual', (file, bytes) => (file === 'forward-kernel-00.bin' ? flipped(bytes) : bytes));
    await expect(loadEdgeBundle(damaged)).rejects.toThrow('forward-kernel-00.bin is damaged');
    for (const length of [-100, 100]) {
      const resized = (bytes: ArrayBuffer) => new Uint8Array(bytes.byteLength + length).fill(1);
      const wrong = assetsOf('int8-usual', (file, bytes) => (file === 'forward-kernel-00.bin' ? resized(bytes) : bytes));
      await expect(loadEdgeBundle(wrong)).rejects.toThrow('forward-kernel-00.bin is damaged');
    }
    const changed = (from: RegExp, to: string) =>
      assetsOf('int8-usual', (file, bytes) => (file === 'kernel.json' ? new TextDecoder().decode(bytes).replace(from, to) : bytes));
    await expect(loadEdgeBundle(changed(/"bundle":"[0-9a-f]/, '"bundle":"f'))).rejects.toThrow('not of this bundle');
    await expect(loadEdgeBundle(changed(/"formatVersion":1/, '"formatVersion":2'))).rejects.toThrow('kernel.json is not of this version');
  });

  it('answers 503, and lives on, when the model is larger than the memory it may have', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => {});
    const isLarge = { now: true };
    const ask = await freshWorker({
      fetch: (input) => assetsOf(isLarge.now ? 'int8-large' : 'int8-usual').fetch(input),
    });
    const refused = await ask('good');
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toEqual({ error: { code: 'unavailable', message: expect.any(String) } });
    expect(String(log.mock.calls[0]?.[0])).toContain('KernelMemoryError');
    log.mockRestore();
    isLarge.now = false;
    expect((await ask('good')).status).toBe(200);
  });
});
