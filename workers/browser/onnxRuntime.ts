import { env } from 'onnxruntime-web/wasm';

import type { GraphSession } from '../../serve/graphRuntime.ts';
import { createSession, type WeightShard } from '../src/onnxSession.ts';

/** The size of onnxruntime's WebAssembly in the version that this was compiled with: put there by build.ts. */
declare const ONNXRUNTIME_WASM_BYTES: number;
export const ONNXRUNTIME_BYTES = ONNXRUNTIME_WASM_BYTES;

/** Where the playground has it, beside this script. With the version in it, a browser need never ask again whether it has changed. */
export function onnxRuntimeAddress(): string {
  return new URL(`ort-wasm-simd-threaded.wasm?${env.versions.web ?? ''}`, import.meta.url).href;
}

/** @param runtime onnxruntime's WebAssembly. It is compiled with the first session, which the others share it with. */
export function createBrowserSession(
  runtime: ArrayBuffer | undefined,
  graph: Uint8Array,
  shards: readonly WeightShard[],
): Promise<GraphSession> {
  // More threads would need a page that no other site can open or embed: memory is shared in such pages alone.
  env.wasm.numThreads = 1;
  env.wasm.proxy = false;
  if (runtime !== undefined) env.wasm.wasmBinary = runtime;
  return createSession(graph, shards);
}
