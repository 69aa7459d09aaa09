import type { Bundle } from '../export/bundle.ts';
import { packRows, unpackRows, type GraphInput } from './chunkTensors.ts';
import type { ChunkResult, ChunkRow, ClassifierRuntime, DocumentState } from './classifierRuntime.ts';
import { freshDocumentState } from './documentState.ts';

/** A loaded graph, as either build of onnxruntime offers it: named inputs in, named float32 outputs out. */
export interface GraphSession {
  run(inputs: Readonly<Record<string, GraphInput>>): Promise<Record<string, Float32Array>>;
  release(): Promise<void>;
}

/** The classifier of a bundle on a loaded graph. All that differs between a server and the edge is the session. */
export class GraphRuntime implements ClassifierRuntime {
  readonly bundle: Bundle;
  readonly #session: GraphSession;

  constructor(bundle: Bundle, session: GraphSession) {
    this.bundle = bundle;
    this.#session = session;
  }

  freshState(): DocumentState {
    return freshDocumentState(this.bundle.sizes);
  }

  async run(rows: readonly ChunkRow[]): Promise<ChunkResult[]> {
    if (rows.length === 0) return [];
    for (const { tokens } of rows) {
      if (tokens.length < 1 || tokens.length > this.bundle.chunkLength) {
        throw new RangeError(`A chunk has ${tokens.length} tokens; the graph takes 1 to ${this.bundle.chunkLength}.`);
      }
    }
    const outputs = await this.#session.run(packRows(rows, this.bundle.sizes));
    return unpackRows(outputs, rows, this.bundle.sizes, this.bundle.labels.length);
  }

  async dispose(): Promise<void> {
    await this.#session.release();
  }
}
