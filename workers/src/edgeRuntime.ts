import type { LoadedBundle } from '../../serve/classifierRuntime.ts';
import type { GraphSession } from '../../serve/graphRuntime.ts';
import { KERNEL_FILE } from '../kernel/description.ts';
// Relaxed SIMD is on in every workerd since 2023, and a Worker compiles nothing while it runs: there is nothing to choose.
import kernelModule from '../kernel/lstm-relaxed.wasm';
import { findAsset, openAsset } from './assets.ts';
import { loadBundleFrom } from './bundleLoader.ts';
import { fillMemory } from './fillMemory.ts';
import type { WeightShard } from './onnxSession.ts';

/** Decided when the Worker is built, see prepare.ts: a deployment for the kernel is uploaded without onnxruntime-web's 14 MiB. */
declare const WITH_ONNXRUNTIME: boolean | undefined;

/**
 * Loads the bundle that was deployed as static assets, see {@link loadBundleFrom}.
 *
 * @throws KernelMemoryError when the models need more memory than an isolate can give; Error when an asset is missing; UserError when one is damaged or not of this bundle.
 */
export function loadEdgeBundle(assets: Fetcher): Promise<LoadedBundle> {
  return loadBundleFrom({
    open: (file) => openAsset(assets, file),
    find: (file) => findAsset(assets, file),
    fill: fillMemory,
    kernelModule: () => kernelModule,
    createSession,
  });
}

async function createSession(graph: Uint8Array, shards: readonly WeightShard[]): Promise<GraphSession> {
  // The import stands inside the condition: where that is false when the Worker is built, onnxruntime-web is left out.
  if (typeof WITH_ONNXRUNTIME === 'undefined' || WITH_ONNXRUNTIME) {
    return (await import('./onnxRuntime.ts')).createEdgeSession(graph, shards);
  }
  throw new Error(`The Worker was built without onnxruntime-web, and there is no ${KERNEL_FILE}. Deploy again from a bundle.`);
}
