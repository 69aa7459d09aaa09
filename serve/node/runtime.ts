import { stat } from 'node:fs/promises';

import { outputCount } from '../../export/bundle.ts';
import { readBundle } from '../../export/bundleFolder.ts';
import type { GraphInput } from '../chunkTensors.ts';
import type { LoadedBundle, LoadedMember } from '../classifierRuntime.ts';
import { GraphRuntime, type GraphSession } from '../graphRuntime.ts';
import type { GraphAnswer, GraphCall, GraphThreadData } from './graphThread.ts';
import { ThreadCaller } from './threadCalls.ts';

export interface NodeRuntimeOptions {
  /** Threads that share one graph call. onnxruntime takes one per processor core unless told. */
  readonly threads?: number | undefined;
}

/**
 * Loads a bundle folder on onnxruntime-node. Every file's checksum is verified first; the weights go from the files straight
 * to onnxruntime and never through JavaScript's memory. Each model computes in a thread of its own.
 *
 * @throws UserError when the folder is not a bundle, or a file is missing or damaged.
 * @example
 * const classifier = new Classifier(await loadBundle('runs/reviews/bundle'), { maxBatch: 16, maxQueue: 256 });
 */
export async function loadBundle(folder: string, { threads }: NodeRuntimeOptions = {}): Promise<LoadedBundle> {
  const { bundle, members } = await readBundle(folder);
  const loaded: LoadedMember[] = [];
  try {
    for (const { description, vocabulary, graphPath } of members) {
      const session = await GraphThread.open({ graphPath, graphWritten: (await stat(graphPath)).mtimeMs, threads });
      loaded.push({ description, vocabulary, runtime: new GraphRuntime(description, outputCount(bundle), session) });
    }
  } catch (error) {
    for (const { runtime } of loaded) await runtime.dispose();
    throw error;
  }
  return { bundle, members: loaded };
}

/** A graph in a thread of its own: onnxruntime-node's calls take the thread they are made in, and here that is not the one of the requests. */
class GraphThread implements GraphSession {
  readonly #thread: ThreadCaller<GraphCall, GraphAnswer>;

  private constructor(data: GraphThreadData) {
    this.#thread = new ThreadCaller('graphThread', data);
  }

  /** @throws what onnxruntime threw when the graph cannot be loaded. */
  static async open(data: GraphThreadData): Promise<GraphThread> {
    const thread = new GraphThread(data);
    try {
      await thread.#thread.call({});
    } catch (error) {
      await thread.release();
      throw error;
    }
    return thread;
  }

  run(inputs: Readonly<Record<string, GraphInput>>): Promise<GraphAnswer> {
    return this.#thread.call(
      inputs,
      Object.values(inputs).map(({ data }) => data.buffer as ArrayBuffer),
    );
  }

  async release(): Promise<void> {
    await this.#thread.close();
  }
}
