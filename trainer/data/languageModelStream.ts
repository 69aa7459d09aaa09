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
 */
export class LanguageModelStream {
  readonly #streams: Int32Array;
  readonly #lengths: number[];
  readonly #batch: number;

  /**
   * @param lengths of the windows; see {@link variableLengths} and {@link fixedLengths}. They must fit into {@link streamLength}.
   * @param order documents in the order in which they are read
   */
  constructor(corpus: TokenCorpus, order: Uint32Array, lengths: number[], options: StreamOptions) {
    const perStream = streamLength(corpus, options.batch) + 1;
    this.#streams = layOut(corpus, order, perStream, options);
    this.#lengths = lengths;
    this.#batch = options.batch;
  }

  /** Number of windows, that is of training steps. */
  get steps(): number {
    return this.#lengths.length;
  }

  /** The windows from number `first` on. */
  *windows(first = 0): Generator<Window> {
    let position = this.#lengths.slice(0, first).reduce((sum, length) => sum + length, 0);
    for (const time of this.#lengths.slice(first)) {
      yield this.#window(position, time);
      position += time;
    }
  }

  #window(position: number, time: number): Window {
    const batch = this.#batch;
    const perStream = this.#streams.length / batch;
    const ids = new Int32Array(time * batch);
    const targets = new Int32Array(time * batch);
    for (let b = 0; b < batch; b++) {
      const base = b * perStream + position;
      for (let t = 0; t < time; t++) {
        ids[t * batch + b] = this.#streams[base + t] ?? 0;
        targets[t * batch + b] = this.#streams[base + t + 1] ?? 0;
      }
    }
    return { ids, targets, time, batch };
  }
}

/** Predictable tokens in each of `batch` parallel streams: the last word of a stream has no next one. */
export function streamLength(corpus: TokenCorpus, batch: number): number {
  return Math.max(0, Math.floor((corpusLength(corpus) - 1) / batch));
}

/** Shuffles the documents and lays them out row by row, one row a stream. */
function layOut(corpus: TokenCorpus, order: Uint32Array, perStream: number, options: StreamOptions): Int32Array {
  const streams = new Int32Array(options.batch * perStream);
  // Neighbouring streams share one token: the target of the one's last word is the other's first word.
  let position = 0;
  const put = (id: number): void => {
    const stream = Math.floor(position / (perStream - 1));
    const within = position % (perStream - 1);
    if (stream < options.batch) streams[stream * perStream + within] = id;
    if (within === 0 && stream > 0 && stream <= options.batch) streams[stream * perStream - 1] = id;
    position++;
  };
  for (const document of order) {
    const start = corpus.offsets[document] ?? 0;
    const end = corpus.offsets[document + 1] ?? start;
    if (options.backwards) for (let i = end - 1; i >= start; i--) put(corpus.ids[i] ?? 0);
    else for (let i = start; i < end; i++) put(corpus.ids[i] ?? 0);
  }
  return streams;
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
