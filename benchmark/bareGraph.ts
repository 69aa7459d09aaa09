/**
 * The contender that is a bundle's graph alone on onnxruntime: the graph calls that the server would make for the same documents, of which only
 * the time inside onnxruntime counts. See protocol.ts.
 */
import { readFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { outputCount } from '../export/bundle.ts';
import { readBundle } from '../export/bundleFolder.ts';
import { ChunkScheduler } from '../serve/chunkScheduler.ts';
import type { GraphInput } from '../serve/chunkTensors.ts';
import { GraphRuntime, type GraphSession } from '../serve/graphRuntime.ts';
import { LONE_CHUNKS, SPIN_MICROSECONDS, sessionOptions } from '../serve/node/sessionOptions.ts';
import { version } from '../trainer/version.ts';
import { inParallel } from './inParallel.ts';
import { serveParent } from './protocol.ts';
import type { ServingWork } from './servingWork.ts';

export interface BareGraphWork extends ServingWork {
  /** The bundle's folder. */
  readonly bundle: string;
  /** Documents in flight. */
  readonly clients: number;
  /** Documents in a graph call. */
  readonly maxBatch: number;
}

/** A session that adds up the time of its calls. */
class TimedSession implements GraphSession {
  readonly loneChunks = LONE_CHUNKS;
  milliseconds = 0;
  readonly #session: InferenceSession;

  constructor(session: InferenceSession) {
    this.#session = session;
  }

  async run(inputs: Readonly<Record<string, GraphInput>>): Promise<Record<string, Float32Array>> {
    const feeds = Object.fromEntries(Object.entries(inputs).map(([name, { type, data, dims }]) => [name, new Tensor(type, data, dims)]));
    const start = performance.now();
    const outputs = await this.#session.run(feeds);
    this.milliseconds += performance.now() - start;
    return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data as Float32Array]));
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

await serveParent<BareGraphWork>(async ({ bundle: folder, documents, passes, clients, maxBatch, threads }) => {
  const { bundle, members } = await readBundle(folder);
  const [member] = members;
  if (member === undefined) throw new Error(`${folder} has no model`);
  // As the server reads one document with nothing beside it: see serve/node.
  const session = new TimedSession(
    await InferenceSession.create(member.graphPath, sessionOptions({ threads, spinMicroseconds: SPIN_MICROSECONDS })),
  );
  const scheduler = new ChunkScheduler(new GraphRuntime(member.description, outputCount(bundle), session), {
    maxBatch,
    maxQueue: clients,
  });
  const lines = (await readFile(documents, 'utf8')).trimEnd().split('\n');
  const ids = lines.map((line) => Int32Array.from(JSON.parse(line) as number[]));
  return {
    versions: { ulmfit: version(), node: process.versions.node },
    async run(steps) {
      const before = session.milliseconds;
      for (const step of steps) await inParallel(passes[step] ?? [], clients, (line) => scheduler.classify(ids[line] ?? new Int32Array()));
      return { seconds: (session.milliseconds - before) / 1000 };
    },
  };
});
