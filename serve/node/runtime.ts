import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';

import { outputCount } from '../../export/bundle.ts';
import { readBundle } from '../../export/bundleFolder.ts';
import type { GraphInput } from '../chunkTensors.ts';
import type { LoadedBundle, LoadedMember } from '../classifierRuntime.ts';
import { GraphRuntime, type GraphSession } from '../graphRuntime.ts';
import type { GraphAnswer, GraphCall, GraphThreadData } from './graphThread.ts';
import { LONE_CHUNKS, SPIN_MICROSECONDS } from './sessionOptions.ts';
import { ThreadCaller } from './threadCalls.ts';

export interface NodeRuntimeOptions {
  /** Threads that compute, of all graph calls of a model together. One per processor core unless told. */
  readonly threads?: number | undefined;
  /**
   * Graph calls of a model at a time, each with its share of the threads; one unless told, and no more than there are threads. Each
   * has a copy of the weights, and where there are several, so has a further one for documents with nothing beside them. What shares a
   * call then depends on time, and so do the last bits of the answers.
   */
  readonly callsAtOnce?: number | undefined;
}

/**
 * Loads a bundle folder on onnxruntime-node. Every file's checksum is verified first; the weights go from the files straight
 * to onnxruntime and never through JavaScript's memory. Models compute in threads of their own.
 *
 * @throws UserError when the folder is not a bundle, or a file is missing or damaged.
 * @example
 * const classifier = new Classifier(await loadBundle('runs/reviews/bundle'), { maxBatch: 16, maxQueue: 256 });
 */
export async function loadBundle(folder: string, options: NodeRuntimeOptions = {}): Promise<LoadedBundle> {
  const { bundle, members } = await readBundle(folder);
  const loaded: LoadedMember[] = [];
  try {
    for (const { description, vocabulary, graphPath } of members) {
      const session = await GraphThreads.open(graphPath, options);
      loaded.push({ description, vocabulary, runtime: new GraphRuntime(description, outputCount(bundle), session) });
    }
  } catch (error) {
    for (const { runtime } of loaded) await runtime.dispose();
    throw error;
  }
  return { bundle, members: loaded };
}

type Caller = ThreadCaller<GraphCall, GraphAnswer>;

/**
 * A graph in threads of their own: onnxruntime-node's calls take the thread they are made in, and here that is not the one of the
 * requests. Each thread has a session, and makes one call after the other.
 *
 * Where several calls may run at a time, each has its share of the processors. A single call that has them all loses more: whatever else
 * runs, such as the thread of the requests, interrupts one of its threads, and the others wait. But one document with nothing beside it
 * is read with all of them, in a session of its own.
 */
class GraphThreads implements GraphSession {
  readonly callsAtOnce: number;
  /** Whoever comes meanwhile is read in another thread, so nobody waits for a longer call. */
  readonly loneChunks: number;
  readonly #shares: readonly Caller[];
  readonly #whole: Caller | undefined;

  private constructor(shares: readonly Caller[], whole: Caller | undefined) {
    this.callsAtOnce = shares.length;
    this.loneChunks = whole === undefined ? 1 : LONE_CHUNKS;
    this.#shares = shares;
    this.#whole = whole;
  }

  /** @throws what onnxruntime threw when the graph cannot be loaded. */
  static async open(graphPath: string, { threads = availableParallelism(), callsAtOnce = 1 }: NodeRuntimeOptions): Promise<GraphThreads> {
    const graphWritten = (await stat(graphPath)).mtimeMs;
    const thread = (share: number, spinMicroseconds: number): Caller => {
      const data: GraphThreadData = { graphPath, graphWritten, threads: share, spinMicroseconds };
      return new ThreadCaller('graphThread', data);
    };
    const count = Math.min(callsAtOnce, threads);
    const shares = Array.from({ length: count }, (_, place) => thread(Math.floor((threads + place) / count), 0));
    const graph = new GraphThreads(shares, count === 1 ? undefined : thread(threads, SPIN_MICROSECONDS));
    try {
      await Promise.all(graph.#all.map((caller) => caller.call({})));
    } catch (error) {
      await graph.release();
      throw error;
    }
    return graph;
  }

  run(inputs: Readonly<Record<string, GraphInput>>): Promise<GraphAnswer> {
    const isAlone = inputs['lengths']?.data.length === 1 && this.#all.every(({ waiting }) => waiting === 0);
    const leastBusy = this.#shares.reduce((best, share) => (share.waiting < best.waiting ? share : best));
    const thread = (isAlone ? this.#whole : undefined) ?? leastBusy;
    return thread.call(
      inputs,
      Object.values(inputs).map(({ data }) => data.buffer as ArrayBuffer),
    );
  }

  async release(): Promise<void> {
    await Promise.all(this.#all.map((thread) => thread.close()));
  }

  get #all(): readonly Caller[] {
    return this.#whole === undefined ? this.#shares : [...this.#shares, this.#whole];
  }
}
