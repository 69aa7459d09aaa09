import { env } from 'onnxruntime-web/wasm';

import type { GraphSession } from '../../serve/graphRuntime.ts';
import { asOutOfMemory, lendOurModule } from './onnxRuntimeMemory.ts';
import { createSession, type WeightShard } from './onnxSession.ts';

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
    return new EdgeSession(await createSession(graph, shards));
  } catch (error) {
    throw asOutOfMemory(error);
  } finally {
    undo();
  }
}

/** A session that says when it was memory that was missing. */
class EdgeSession implements GraphSession {
  readonly #session: GraphSession;

  constructor(session: GraphSession) {
    this.#session = session;
  }

  /** @throws OutOfMemoryError when there is no room for the call; a smaller one may have room. */
  async run(inputs: Parameters<GraphSession['run']>[0]): ReturnType<GraphSession['run']> {
    try {
      return await this.#session.run(inputs);
    } catch (error) {
      throw asOutOfMemory(error);
    }
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}
