/** The main module of a thread that computes: one graph of a bundle on onnxruntime-node, whose calls block the thread they are made in. */
import { stat } from 'node:fs/promises';
import { workerData } from 'node:worker_threads';

import { InferenceSession, Tensor } from 'onnxruntime-node';

import type { GraphInput } from '../chunkTensors.ts';
import { sessionOptions, type CallThreads } from './sessionOptions.ts';
import { answerCalls } from './threadCalls.ts';

/** What the thread is started with. */
export interface GraphThreadData extends CallThreads {
  readonly graphPath: string;
  /** When the file was written, in milliseconds, as it was when the bundle was checked. */
  readonly graphWritten: number;
}

/** The inputs of a graph call; without any, the graph is only loaded. */
export type GraphCall = Readonly<Record<string, GraphInput>>;
export type GraphAnswer = Record<string, Float32Array>;

const session = openSession(workerData as GraphThreadData);
// Whoever calls is told; a graph that cannot be loaded ends no thread by itself.
session.catch(() => {});

answerCalls(
  async (inputs: GraphCall): Promise<GraphAnswer> => {
    const graph = await session;
    const feeds = Object.entries(inputs).map(([name, { type, data, dims }]) => [name, new Tensor(type, data, dims)] as const);
    if (feeds.length === 0) return {};
    const rows: GraphAnswer = {};
    for (const [name, { data }] of Object.entries(await graph.run(Object.fromEntries(feeds)))) {
      if (data instanceof Float32Array) rows[name] = data;
    }
    return rows;
  },
  (rows) => Object.values(rows).map(({ buffer }) => buffer),
);

async function openSession({ graphPath, graphWritten, ...callThreads }: GraphThreadData): Promise<InferenceSession> {
  // This may be the thread after one that failed, and another version may lie there by now.
  if ((await stat(graphPath)).mtimeMs !== graphWritten) throw new Error(`${graphPath} has been replaced since the bundle was loaded.`);
  return InferenceSession.create(graphPath, sessionOptions(callThreads));
}
