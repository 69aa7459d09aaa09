import { InferenceSession, Tensor } from 'onnxruntime-web/wasm';

import type { GraphInput } from '../../serve/chunkTensors.ts';
import type { GraphSession } from '../../serve/graphRuntime.ts';

/** A file of weights under the name by which the graph asks for it. */
export interface WeightShard {
  readonly path: string;
  readonly data: Uint8Array;
}

/** Loads a graph on onnxruntime-web, once its environment is set: that is another one at the edge and in a browser. */
export async function createSession(graph: Uint8Array, shards: readonly WeightShard[]): Promise<GraphSession> {
  const session = await InferenceSession.create(graph, {
    executionProviders: ['wasm'],
    graphOptimizationLevel: 'all',
    externalData: shards,
  });
  return new WebSession(session);
}

/** onnxruntime-web's session with plain values for tensors. */
class WebSession implements GraphSession {
  readonly #session: InferenceSession;

  constructor(session: InferenceSession) {
    this.#session = session;
  }

  async run(inputs: Readonly<Record<string, GraphInput>>): Promise<Record<string, Float32Array>> {
    const feeds = Object.fromEntries(Object.entries(inputs).map(([name, { type, data, dims }]) => [name, new Tensor(type, data, dims)]));
    const outputs = await this.#session.run(feeds);
    const rows: Record<string, Float32Array> = {};
    for (const [name, tensor] of Object.entries(outputs)) {
      if (tensor.data instanceof Float32Array) rows[name] = tensor.data;
    }
    return rows;
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}
