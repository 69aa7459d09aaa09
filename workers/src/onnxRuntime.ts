import { env, InferenceSession, Tensor } from 'onnxruntime-web/wasm';

import type { GraphInput } from '../../serve/chunkTensors.ts';
import type { GraphSession } from '../../serve/graphRuntime.ts';
import { asOutOfMemory, lendOurModule } from './onnxRuntimeMemory.ts';

/** A file of weights under the name by which the graph asks for it. */
export interface WeightShard {
  readonly path: string;
  readonly data: Uint8Array;
}

/** The size of an empty WebAssembly module. Its content is never looked at: see createEdgeSession. */
const EMPTY_MODULE_BYTES = 8;

/**
 * Loads a graph on onnxruntime-web inside workerd, which compiles no WebAssembly at run time.
 *
 * - onnxruntime's own module comes compiled with the Worker. While a session is created, and only then,
 *   `WebAssembly.instantiate` ignores the bytes it is given and instantiates that module, on a memory that has a limit.
 * - `wasmBinary` is never compiled; that it is there makes onnxruntime use the glue code it carries, with no URL to load.
 * - An isolate has one thread.
 *
 * onnxruntime starts with an isolate's first session, and cannot start again after a failed start; further sessions share it.
 *
 * @throws OutOfMemoryError when the model does not fit
 */
export async function createEdgeSession(graph: Uint8Array, shards: readonly WeightShard[]): Promise<GraphSession> {
  env.wasm.numThreads = 1;
  env.wasm.proxy = false;
  env.wasm.wasmBinary = new Uint8Array(EMPTY_MODULE_BYTES).buffer;
  const undo = lendOurModule();
  try {
    const session = await InferenceSession.create(graph, {
      executionProviders: ['wasm'],
      graphOptimizationLevel: 'all',
      externalData: shards,
    });
    return new EdgeSession(session);
  } catch (error) {
    throw asOutOfMemory(error);
  } finally {
    undo();
  }
}

/** onnxruntime-web's session with plain values for tensors. */
class EdgeSession implements GraphSession {
  readonly #session: InferenceSession;

  constructor(session: InferenceSession) {
    this.#session = session;
  }

  /** @throws OutOfMemoryError when there is no room for the call; a smaller one may have room. */
  async run(inputs: Readonly<Record<string, GraphInput>>): Promise<Record<string, Float32Array>> {
    const feeds = Object.fromEntries(Object.entries(inputs).map(([name, { type, data, dims }]) => [name, new Tensor(type, data, dims)]));
    const outputs = await this.#session.run(feeds).catch((error: unknown) => {
      throw asOutOfMemory(error);
    });
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
