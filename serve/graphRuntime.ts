import type { BundleMember } from '../export/bundle.ts';
import { packRows, unpackRows, type GraphInput } from './chunkTensors.ts';
import type { ChunkResult, ChunkRow, ClassifierRuntime, DocumentState } from './classifierRuntime.ts';
import { freshDocumentState } from './documentState.ts';

/** A loaded graph, as either build of onnxruntime offers it: named inputs in, named float32 outputs out. */
export interface GraphSession {
  /** Calls that may run at a time; one, unless told. */
  readonly callsAtOnce?: number | undefined;
  /** Chunks that a document with a call to itself may read in it; one, unless told. A graph takes any length. */
  readonly loneChunks?: number | undefined;
  run(inputs: Readonly<Record<string, GraphInput>>): Promise<Record<string, Float32Array>>;
  release(): Promise<void>;
}

/** One member of a bundle on a loaded graph. All that differs between a server and the edge is the session. */
export class GraphRuntime implements ClassifierRuntime {
  readonly chunkLength: number;
  readonly loneLength: number;
  readonly callsAtOnce: number;
  readonly #sizes: BundleMember['sizes'];
  readonly #logitCount: number;
  readonly #session: GraphSession;

  /** @param logitCount how many logits the graph has for a document, see `outputCount`. */
  constructor({ sizes, chunkLength }: Pick<BundleMember, 'sizes' | 'chunkLength'>, logitCount: number, session: GraphSession) {
    this.chunkLength = chunkLength;
    this.loneLength = chunkLength * (session.loneChunks ?? 1);
    this.callsAtOnce = session.callsAtOnce ?? 1;
    this.#sizes = sizes;
    this.#logitCount = logitCount;
    this.#session = session;
  }

  freshState(): DocumentState {
    return freshDocumentState(this.#sizes);
  }

  async run(rows: readonly ChunkRow[]): Promise<ChunkResult[]> {
    if (rows.length === 0) return [];
    const longest = rows.length === 1 ? this.loneLength : this.chunkLength;
    for (const { tokens } of rows) {
      if (tokens.length < 1 || tokens.length > longest) {
        throw new RangeError(`A chunk has ${tokens.length} tokens; the graph takes 1 to ${longest}.`);
      }
    }
    const outputs = await this.#session.run(packRows(rows, this.#sizes));
    return unpackRows(outputs, rows, this.#sizes, this.#logitCount);
  }

  async dispose(): Promise<void> {
    await this.#session.release();
  }
}
