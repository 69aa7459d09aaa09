import { hostRandom, type DrawKey } from '../engine/random.ts';
import { corpusLength, type TokenCorpus } from './tokenCorpus.ts';

/** Windows of the token stream, time-major: `ids[t * batch + b]`, and `targets` one word later. */
export interface Window {
  readonly ids: Int32Array;
  readonly targets: Int32Array;
  /** Time steps. */
  readonly time: number;
  readonly batch: number;
}

export interface StreamOptions {
  /** Parallel streams. */
  readonly batch: number;
  /** Usual length of a window in tokens. */
  readonly bptt: number;
  /** Read every document from its end to its beginning. */
  readonly backwards?: boolean;
}

/**
 * The text of one epoch as `batch` long parallel streams, cut into windows of truncated back-propagation
 * (Merity et al. 2017, section 5): each window goes on where the one before ended, so the model's state can be carried.
 *
 * The documents, one after the other in their order, are cut into `batch` equal parts, of which each stream reads one. What is in memory of them
 * is a little of each stream.
 */
export class LanguageModelStream {
  readonly #corpus: TokenCorpus;
  readonly #order: Uint32Array;
  readonly #lengths: readonly number[];
  readonly #options: StreamOptions;

  /**
   * @param lengths of the windows; see {@link variableLengths} and {@link fixedLengths}. They must fit into {@link streamLength}.
   * @param order documents in the order in which they are read
   */
  constructor(corpus: TokenCorpus, order: Uint32Array, lengths: readonly number[], options: StreamOptions) {
    this.#corpus = corpus;
    this.#order = order;
    this.#lengths = lengths;
    this.#options = options;
  }

  /** Number of windows, that is of training steps. */
  get steps(): number {
    return this.#lengths.length;
  }

  /** The windows from number `first` on. */
  *windows(first = 0): Generator<Window> {
    const position = this.#lengths.slice(0, first).reduce((sum, length) => sum + length, 0);
    const lengths = this.#lengths.slice(first);
    const walks = this.#walksFrom(
      position,
      lengths.reduce((longest, length) => Math.max(longest, length), 0),
    );
    for (const time of lengths) yield windowOf(walks, time);
  }

  /** A walk for each stream, from a position in it on. */
  #walksFrom(position: number, longestWindow: number): DocumentWalk[] {
    const { batch, backwards = false } = this.#options;
    const { offsets } = this.#corpus;
    const perStream = streamLength(this.#corpus, batch);
    const walks: DocumentWalk[] = [];
    let passed = 0; // tokens before the document at `place`
    for (let place = 0; walks.length < batch && place < this.#order.length; place++) {
      const end = passed + lengthOf(offsets, this.#order[place] ?? 0);
      for (let start = walks.length * perStream + position; walks.length < batch && start < end; start += perStream) {
        walks.push(new DocumentWalk(this.#corpus, this.#order, { place, within: start - passed, backwards, reach: longestWindow + 1 }));
      }
      passed = end;
    }
    return walks;
  }
}

/** The next tokens of each walk, and those after them, time-major. */
function windowOf(walks: readonly DocumentWalk[], time: number): Window {
  const batch = walks.length;
  const ids = new Int32Array(time * batch);
  const targets = new Int32Array(time * batch);
  for (const [stream, walk] of walks.entries()) {
    const tokens = walk.ahead(time + 1);
    for (let t = 0; t < time; t++) {
      ids[t * batch + stream] = tokens[t] ?? 0;
      targets[t * batch + stream] = tokens[t + 1] ?? 0;
    }
    walk.advance(time);
  }
  return { ids, targets, time, batch };
}

/** Tokens that are read ahead for each stream: a read costs as much for one token as for these. */
const READ_AHEAD = 2048;

interface WalkOptions {
  /** Where it begins: the place of a document in the order, and the tokens of that document that are behind. */
  readonly place: number;
  readonly within: number;
  readonly backwards: boolean;
  /** The most tokens that are looked ahead at a time. */
  readonly reach: number;
}

/** Goes through documents in an order, from any token on. */
class DocumentWalk {
  readonly #corpus: TokenCorpus;
  readonly #order: Uint32Array;
  readonly #backwards: boolean;
  /** What comes next is in `#tokens` from `#start` to `#end`; after that, `#within` tokens into the document at `#place`. */
  readonly #tokens: Int32Array;
  #start = 0;
  #end = 0;
  #place: number;
  #within: number;

  constructor(corpus: TokenCorpus, order: Uint32Array, { place, within, backwards, reach }: WalkOptions) {
    this.#corpus = corpus;
    this.#order = order;
    this.#place = place;
    this.#within = within;
    this.#backwards = backwards;
    this.#tokens = new Int32Array(Math.max(READ_AHEAD, reach));
  }

  /** The next tokens, without moving; good until the next call. */
  ahead(count: number): Int32Array {
    if (this.#end - this.#start < count) this.#fill();
    return this.#tokens.subarray(this.#start, Math.min(this.#end, this.#start + count));
  }

  advance(count: number): void {
    this.#start += count;
  }

  #fill(): void {
    this.#tokens.copyWithin(0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
    while (this.#end < this.#tokens.length && this.#place < this.#order.length) {
      const document = this.#order[this.#place] ?? 0;
      const left = lengthOf(this.#corpus.offsets, document) - this.#within;
      const into = this.#tokens.subarray(this.#end, this.#end + left);
      this.#readInto(into, document);
      this.#end += into.length;
      this.#within += into.length;
      if (into.length < left) continue;
      this.#place++;
      this.#within = 0;
    }
  }

  #readInto(into: Int32Array, document: number): void {
    const { offsets } = this.#corpus;
    if (!this.#backwards) return this.#corpus.read((offsets[document] ?? 0) + this.#within, into);
    this.#corpus.read((offsets[document + 1] ?? 0) - this.#within - into.length, into);
    into.reverse();
  }
}

const lengthOf = (offsets: Float64Array, document: number): number => (offsets[document + 1] ?? 0) - (offsets[document] ?? 0);

/** Predictable tokens in each of `batch` parallel streams: the last word of a stream has no next one. */
export function streamLength(corpus: TokenCorpus, batch: number): number {
  return Math.max(0, Math.floor((corpusLength(corpus) - 1) / batch));
}

/** The documents in a random order that depends on the key alone. */
export function shuffledOrder(documents: number, key: DrawKey): Uint32Array {
  const order = Uint32Array.from({ length: documents }, (_, index) => index);
  const random = hostRandom(key, 'document order');
  for (let i = documents - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
  }
  return order;
}

/** The documents as they come. */
export function givenOrder(documents: number): Uint32Array {
  return Uint32Array.from({ length: documents }, (_, index) => index);
}

/**
 * Window lengths of an epoch (Merity et al. 2017, section 5): around `bptt` with probability 0.95, else around its half,
 * spread by a normal distribution with deviation 5, and at least 5 tokens, so that windows do not begin at the same words in each epoch.
 */
export function variableLengths(total: number, bptt: number, key: DrawKey): number[] {
  const random = hostRandom(key, 'window lengths');
  const lengths: number[] = [];
  for (let left = total; left > 0;) {
    const center = random() < 0.95 ? bptt : bptt / 2;
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    // 4 deviations above the usual length is a hard limit: memory must be predictable.
    const length = Math.min(left, bptt + 20, Math.max(5, Math.round(center + 5 * normal)));
    lengths.push(length);
    left -= length;
  }
  return lengths;
}

/** Windows of the same length, the last one shorter. */
export function fixedLengths(total: number, bptt: number): number[] {
  return Array.from({ length: Math.ceil(total / bptt) }, (_, index) => Math.min(bptt, total - index * bptt));
}
