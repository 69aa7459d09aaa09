import { layerSizes, type BundleMember } from '../../export/bundle.ts';
import type { ChunkResult, ChunkRow, ClassifierRuntime, DocumentState } from '../../serve/classifierRuntime.ts';
import { freshDocumentState } from '../../serve/documentState.ts';
import { weightLayout, workLayout, type HeadPlace, type KernelSizes, type WeightLayout, type WorkLayout } from '../kernel/layout.ts';

/** What assembly/lstm.ts exports. All arguments are counts and byte addresses. */
interface Kernel {
  project(
    rows: number,
    width: number,
    inputs: number,
    rowScales: number,
    weights: number,
    scales: number,
    offsets: number,
    biases: number,
    panels: number,
    gates: number,
  ): void;
  step(
    rows: number,
    width: number,
    previous: number,
    rowScales: number,
    weights: number,
    scales: number,
    offsets: number,
    gates: number,
    cell: number,
    hidden: number,
  ): void;
  quantize(rows: number, width: number, values: number, into: number, scales: number): void;
  pool(count: number, values: number, maximum: number, sum: number): void;
}

/** The kernel's own few bytes lie below. */
const WEIGHTS_START = 4096;
const PAGE_BYTES = 65_536;

/** The kernel's memory would be larger than it may be. */
export class KernelMemoryError extends Error {
  override readonly name = 'KernelMemoryError';
}

export interface KernelOptions {
  /** What outputCount tells of the bundle. */
  readonly outputs: number;
  readonly headHidden: number;
  /** Rows that the kernel takes at a time; more are taken in turns. */
  readonly maxBatch: number;
  /** The most bytes that the model may take with all it needs to run. */
  readonly maxBytes: number;
}

/**
 * One member of a bundle on the kernel of our own: 8-bit weights, WebAssembly. All the memory it will ever use is taken when it
 * is made.
 *
 * What it answers to a row depends on nothing but the row, to the last bit: not on the other rows, nor on where a document
 * is cut into chunks, nor on the engine.
 */
export class KernelRuntime implements ClassifierRuntime {
  readonly chunkLength: number;
  readonly #sizes: KernelSizes;
  readonly #maxBatch: number;
  readonly #kernel: Kernel;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #floats: Float32Array;
  readonly #weights: WeightLayout;
  readonly #work: WorkLayout;

  /**
   * @param module one of the two compiled kernels.
   * @throws KernelMemoryError when the model needs more memory than it may have, or than there is.
   */
  constructor(module: WebAssembly.Module, { sizes, chunkLength }: Pick<BundleMember, 'sizes' | 'chunkLength'>, options: KernelOptions) {
    this.chunkLength = chunkLength;
    this.#sizes = { ...sizes, headHidden: options.headHidden, outputs: options.outputs };
    this.#maxBatch = options.maxBatch;
    this.#weights = weightLayout(this.#sizes);
    this.#work = workLayout(this.#weights, WEIGHTS_START + this.#weights.bytes, options.maxBatch);
    const memory = memoryOf(this.#work.bytes, options.maxBytes);
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    // The module is ours: kernel.test.ts holds every export to its reference.
    this.#kernel = exports as unknown as Kernel;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#floats = new Float32Array(memory.buffer);
  }

  /** Bytes of the kernel's memory: the weights and all that a batch needs. */
  get memoryBytes(): number {
    return this.#bytes.byteLength;
  }

  /** Bytes of the weights' image. */
  get imageBytes(): number {
    return this.#weights.bytes;
  }

  /** The place of a piece of the weights' image, see packWeights, for its bytes to be put there. */
  imagePiece(offset: number, bytes: number): Uint8Array<ArrayBuffer> {
    if (offset + bytes > this.#weights.bytes)
      throw new RangeError(`The weights have ${this.#weights.bytes} bytes; there is no room for ${bytes} from ${offset} on.`);
    return this.#bytes.subarray(WEIGHTS_START + offset, WEIGHTS_START + offset + bytes);
  }

  freshState(): DocumentState {
    return freshDocumentState(this.#sizes);
  }

  async run(rows: readonly ChunkRow[]): Promise<ChunkResult[]> {
    for (const { tokens } of rows) this.#requireTokens(tokens);
    const results: ChunkResult[] = [];
    // Longest first: those who still have tokens at a time step are then the first ones.
    const order = rows.map((_, index) => index).toSorted((one, other) => lengthOf(rows, other) - lengthOf(rows, one));
    for (let start = 0; start < order.length; start += this.#maxBatch) {
      const places = order.slice(start, start + this.#maxBatch);
      const batch = places.flatMap((place) => rows[place] ?? []);
      for (const [index, result] of this.#runBatch(batch).entries()) results[places[index] ?? 0] = result;
    }
    return results;
  }

  async dispose(): Promise<void> {
    // The memory goes when nobody refers to this any more.
  }

  #requireTokens(tokens: Int32Array): void {
    if (tokens.length < 1 || tokens.length > this.chunkLength) {
      throw new RangeError(`A chunk has ${tokens.length} tokens; the model takes 1 to ${this.chunkLength}.`);
    }
    for (const token of tokens) {
      if (token < 0 || token >= this.#sizes.vocabulary)
        throw new RangeError(`A chunk has the token ${token}; the vocabulary has ${this.#sizes.vocabulary}.`);
    }
  }

  #runBatch(rows: readonly ChunkRow[]): ChunkResult[] {
    this.#loadStates(rows);
    const lengths = rows.map(({ tokens }) => tokens.length);
    const [longest = 0] = lengths;
    for (let time = 0; time < longest;) {
      const active = lengths.filter((length) => length > time).length;
      const end = Math.min(longest, time + Math.floor(this.#work.blockRows / active));
      this.#readBlock(rows, time, end);
      time = end;
    }
    return rows.map(({ tokens, state }, row) => this.#resultOf(row, state.count + tokens.length));
  }

  /** Reads the tokens of all rows from one time step to another, layer by layer. */
  #readBlock(rows: readonly ChunkRow[], from: number, to: number): void {
    const kernel = this.#kernel;
    const { layers } = this.#weights;
    const { sequences, start, gates, states, pooledMax, pooledSum } = this.#work;
    // Rows with a token at each time step, and how many came before: token rows lie without gaps.
    const active = Array.from({ length: to - from }, (_, step) => rows.filter(({ tokens }) => tokens.length > from + step).length);
    const before = active.map((_, step) => active.slice(0, step).reduce((sum, count) => sum + count, 0));
    const total = active.reduce((sum, count) => sum + count, 0);
    this.#gatherEmbeddings(rows, from, active);

    for (const [index, { inputWidth, units, input, recurrent, biases }] of layers.entries()) {
      const below = sequences[index % 2 === 0 ? 0 : 1];
      const above = sequences[index % 2 === 0 ? 1 : 0];
      const { hidden, cell } = states[index] ?? { hidden: 0, cell: 0 };
      const panels = units / 4;
      const { weights, scales, offsets } = input;
      kernel.project(
        total,
        inputWidth,
        below.values,
        below.scales,
        WEIGHTS_START + weights,
        WEIGHTS_START + scales,
        WEIGHTS_START + offsets,
        WEIGHTS_START + biases,
        panels,
        gates,
      );
      let previous = start;
      kernel.quantize(active[0] ?? 0, units, hidden, start.values, start.scales);
      for (const [step, count] of active.entries()) {
        const done = before[step] ?? 0;
        kernel.step(
          count,
          units,
          previous.values,
          previous.scales,
          WEIGHTS_START + recurrent.weights,
          WEIGHTS_START + recurrent.scales,
          WEIGHTS_START + recurrent.offsets,
          gates + 16 * done * units,
          cell,
          hidden,
        );
        previous = { values: above.values + done * units, scales: above.scales + 4 * done };
        kernel.quantize(count, units, hidden, previous.values, previous.scales);
        if (index === layers.length - 1) kernel.pool(count * units, hidden, pooledMax, pooledSum);
      }
    }
  }

  #gatherEmbeddings(rows: readonly ChunkRow[], from: number, active: readonly number[]): void {
    const { embedding, embeddingScales, embeddingWidth } = this.#weights;
    const [{ values, scales }] = this.#work.sequences;
    let place = 0;
    for (const [step, count] of active.entries()) {
      for (let row = 0; row < count; row++) {
        const token = rows[row]?.tokens[from + step] ?? 0;
        const vector = WEIGHTS_START + embedding + token * embeddingWidth;
        this.#bytes.copyWithin(values + place * embeddingWidth, vector, vector + embeddingWidth);
        this.#floats[scales / 4 + place] = this.#floats[(WEIGHTS_START + embeddingScales) / 4 + token] ?? 0;
        place += 1;
      }
    }
  }

  #loadStates(rows: readonly ChunkRow[]): void {
    const { embeddingWidth, layers } = this.#weights;
    const { states, pooledMax, pooledSum } = this.#work;
    const widths = layerSizes(this.#sizes);
    for (const [row, { state }] of rows.entries()) {
      for (const [layer, { units }] of layers.entries()) {
        const { hidden, cell } = states[layer] ?? { hidden: 0, cell: 0 };
        this.#load(hidden, row, units, state.hidden[layer], widths[layer]);
        this.#load(cell, row, units, state.cell[layer], widths[layer]);
      }
      this.#load(pooledMax, row, embeddingWidth, state.pooledMax, this.#sizes.embedding);
      this.#load(pooledSum, row, embeddingWidth, state.pooledSum, this.#sizes.embedding);
    }
  }

  /** Puts a document's numbers into its row, with zeros up to the padded width. */
  #load(address: number, row: number, paddedWidth: number, values: Float32Array | undefined, width: number | undefined): void {
    if (values?.length !== width)
      throw new RangeError(`A document's state has ${values?.length ?? 'no'} values where the model has ${width}.`);
    const start = address / 4 + row * paddedWidth;
    this.#floats.fill(0, start, start + paddedWidth);
    if (values !== undefined) this.#floats.set(values, start);
  }

  #resultOf(row: number, count: number): ChunkResult {
    const { embeddingWidth, layers } = this.#weights;
    const { states, pooledMax, pooledSum } = this.#work;
    const widths = layerSizes(this.#sizes);
    const read = (address: number, paddedWidth: number, width: number) =>
      this.#floats.slice(address / 4 + row * paddedWidth, address / 4 + row * paddedWidth + width);
    const { embedding } = this.#sizes;
    const state: DocumentState = {
      hidden: layers.map(({ units }, layer) => read(states[layer]?.hidden ?? 0, units, widths[layer] ?? 0)),
      cell: layers.map(({ units }, layer) => read(states[layer]?.cell ?? 0, units, widths[layer] ?? 0)),
      pooledMax: read(pooledMax, embeddingWidth, embedding),
      pooledSum: read(pooledSum, embeddingWidth, embedding),
      count,
    };
    return { logits: this.#logitsOf(state), state };
  }

  /** The head in double precision: it is a thousandth of the work. Concat pooling is [last, maximum, mean]. */
  #logitsOf({ hidden, pooledMax, pooledSum, count }: DocumentState): Float32Array {
    const pooled = [...(hidden.at(-1) ?? []), ...pooledMax, ...Array.from(pooledSum, (value) => value / count)];
    const [first, second] = this.#weights.head;
    const activated = this.#headBlock(first, pooled).map((value) => Math.max(0, value));
    return Float32Array.from(this.#headBlock(second, activated));
  }

  #headBlock({ inputs, outputs, mean, weight, bias }: HeadPlace, values: readonly number[]): number[] {
    const at = (address: number, length: number) => {
      const start = (WEIGHTS_START + address) / 4;
      return this.#floats.subarray(start, start + length);
    };
    const [means, weights, biases] = [at(mean, inputs), at(weight, inputs * outputs), at(bias, outputs)];
    const sums = Array.from(biases);
    for (const [input, value] of values.entries()) {
      const centred = value - (means[input] ?? 0);
      for (let output = 0; output < outputs; output++)
        sums[output] = (sums[output] ?? 0) + centred * (weights[input * outputs + output] ?? 0);
    }
    return sums;
  }
}

function memoryOf(bytes: number, maxBytes: number): WebAssembly.Memory {
  const inMebibytes = (value: number) => (value / 2 ** 20).toFixed(1);
  if (bytes > maxBytes)
    throw new KernelMemoryError(`The model needs ${inMebibytes(bytes)} MiB of memory; it may have ${inMebibytes(maxBytes)}.`);
  const pages = Math.ceil(bytes / PAGE_BYTES);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages });
  } catch (error) {
    throw new KernelMemoryError(`There are no ${inMebibytes(bytes)} MiB of memory for the model.`, { cause: error });
  }
}

function lengthOf(rows: readonly ChunkRow[], index: number): number {
  return rows[index]?.tokens.length ?? 0;
}
