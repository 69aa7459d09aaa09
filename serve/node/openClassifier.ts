import type { ChunkSchedulerOptions } from '../chunkScheduler.ts';
import { Classifier } from '../classifier.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { loadBundle, type NodeRuntimeOptions } from './runtime.ts';
import { ThreadedEncoder } from './threadedEncoder.ts';

/** How a bundle is opened. */
export interface OpenBundleOptions extends NodeRuntimeOptions {
  readonly maxBatch?: ChunkSchedulerOptions['maxBatch'] | undefined;
  readonly maxQueue?: ChunkSchedulerOptions['maxQueue'] | undefined;
  /** Told of every graph call. */
  readonly onTurn?: ChunkSchedulerOptions['onTurn'];
}

/**
 * Opens a bundle to answer texts in this process, where long texts and graph calls have threads of their own. `dispose()` gives its
 * memory back.
 *
 * @throws UserError where the folder is no bundle, or a file of it is missing or damaged
 */
export async function openClassifier(folder: string, options: OpenBundleOptions = {}): Promise<Classifier> {
  const { maxBatch = DEFAULT_LIMITS.maxBatch, maxQueue = DEFAULT_LIMITS.maxQueue, threads, callsAtOnce, onTurn } = options;
  const loaded = await loadBundle(folder, { threads, callsAtOnce });
  return new Classifier(loaded, { maxBatch, maxQueue, onTurn, encoder: new ThreadedEncoder(loaded.members) });
}
