import type { Bundle, BundleMember } from '../export/bundle.ts';

/**
 * Everything the model remembers of one document: a plain value that can be kept, sent, resumed and compared.
 * Its size depends on the model alone, never on how much of the document has been read.
 */
export interface DocumentState {
  /** One row per layer: [h_l], where h_l is the hidden size, or the embedding size for the last layer. */
  readonly hidden: readonly Float32Array[];
  /** One row per layer: [h_l]. */
  readonly cell: readonly Float32Array[];
  /** Maximum over the last layer's outputs so far: [embedding]. The lowest float32 before the first token. */
  readonly pooledMax: Float32Array;
  /** Sum of the last layer's outputs so far: [embedding]. Divided by `count` it is the mean the classifier sees. */
  readonly pooledSum: Float32Array;
  /** Tokens read so far. */
  readonly count: number;
}

/** The next piece of one document, with what the model remembers of the pieces before it. */
export interface ChunkRow {
  /** 1 to `chunkLength` token ids; of a row with a call to itself, up to `loneLength`. */
  readonly tokens: Int32Array;
  readonly state: DocumentState;
}

/** What one chunk did: the prediction for the document so far, and the state from which to go on. */
export interface ChunkResult {
  /** One value per label, before softmax or sigmoid; of a regression, one. */
  readonly logits: Float32Array;
  readonly state: DocumentState;
}

/**
 * Something that can run the graph of one member of a bundle: onnxruntime-node on a server, onnxruntime-web at the edge.
 * Which end of the document the rows begin at is the caller's business.
 *
 * `run` takes rows of different lengths, from different documents, each at its own place in its document. The answer for a
 * row does not depend on the other rows.
 */
export interface ClassifierRuntime {
  /** The most tokens of a row. */
  readonly chunkLength: number;
  /** The most tokens of a row that has a call to itself, where that is more than {@link chunkLength}. */
  readonly loneLength?: number | undefined;
  /** Graph calls that may run at a time; one, unless told. */
  readonly callsAtOnce?: number | undefined;
  /** The state of a document of which nothing has been read. */
  freshState(): DocumentState;
  /** One graph call. Results come in the order of the rows. Callers make no more than {@link callsAtOnce} at a time. */
  run(rows: readonly ChunkRow[]): Promise<ChunkResult[]>;
  /** Gives the model's memory back. No call may follow. */
  dispose(): Promise<void>;
}

/** One model of a bundle, ready to run. */
export interface LoadedMember {
  readonly description: BundleMember;
  readonly runtime: ClassifierRuntime;
  /** The vocabulary in the order of its ids. Members with the same one share the list. */
  readonly vocabulary: readonly string[];
}

/** A bundle whose models are ready to run. */
export interface LoadedBundle {
  readonly bundle: Bundle;
  /** In the order of the bundle. */
  readonly members: readonly LoadedMember[];
}
