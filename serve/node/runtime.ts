import { InferenceSession, Tensor } from 'onnxruntime-node';

import { outputCount } from '../../export/bundle.ts';
import { readBundle } from '../../export/bundleFolder.ts';
import type { GraphInput } from '../chunkTensors.ts';
import type { LoadedBundle, LoadedMember } from '../classifierRuntime.ts';
import { GraphRuntime, type GraphSession } from '../graphRuntime.ts';

export interface NodeRuntimeOptions {
  /** Threads that share one graph call. onnxruntime takes one per processor core unless told. */
  readonly threads?: number | undefined;
}

/**
 * Loads a bundle folder on onnxruntime-node. Every file's checksum is verified first; the weights go from the files straight
 * to onnxruntime and never through JavaScript's memory.
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
      const session = await openSession(graphPath, options);
      loaded.push({ description, vocabulary, runtime: new GraphRuntime(description, outputCount(bundle), session) });
    }
  } catch (error) {
    for (const { runtime } of loaded) await runtime.dispose();
    throw error;
  }
  return { bundle, members: loaded };
}

async function openSession(graphPath: string, options: NodeRuntimeOptions): Promise<NodeSession> {
  const session = await InferenceSession.create(graphPath, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    // Threads that wait by spinning take more processor time for the same work, which other programs on the machine pay for.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
    ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
  });
  return new NodeSession(session);
}

/** onnxruntime-node's session with plain values for tensors. */
class NodeSession implements GraphSession {
  readonly #session: InferenceSession;

  constructor(session: InferenceSession) {
    this.#session = session;
  }

  async run(inputs: Readonly<Record<string, GraphInput>>): Promise<Record<string, Float32Array>> {
    const feeds = Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, toTensor(input)]));
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

function toTensor({ type, data, dims }: GraphInput): Tensor {
  return new Tensor(type, data, dims);
}
