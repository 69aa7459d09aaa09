/** What requests may ask for, and how long it may take. */
export interface Limits {
  /** The largest body that is read, in bytes. */
  readonly maxBodyBytes: number;
  /** Texts in one request. */
  readonly maxTexts: number;
  /** UTF-16 code units of one text, as JavaScript counts a string's length. */
  readonly maxTextLength: number;
  /** How long a request may wait for its answer. */
  readonly deadlineMilliseconds: number;
}

/** The limits unless told otherwise, and those of a model's line of documents. */
export const DEFAULT_LIMITS = {
  /** 8 MiB: more than a million words. */
  maxBodyBytes: 8 * 1024 * 1024,
  maxTexts: 128,
  /** About 350,000 words. */
  maxTextLength: 2_000_000,
  /** Documents of one model in flight, of all requests together. A waiting document costs its ids and one state (tens of kB). */
  maxQueue: 256,
  /** Documents in one graph call. */
  maxBatch: 16,
  deadlineMilliseconds: 120_000,
} as const satisfies Limits & { readonly maxQueue: number; readonly maxBatch: number };

/** Limits that may be left out. */
export type LimitOptions = { readonly [Name in keyof Limits]?: Limits[Name] | undefined };

/** The limits given, and the default for each that was left out. */
export function withDefaultLimits(options: LimitOptions): Limits {
  const { maxBodyBytes, maxTexts, maxTextLength, deadlineMilliseconds } = DEFAULT_LIMITS;
  return {
    maxBodyBytes: options.maxBodyBytes ?? maxBodyBytes,
    maxTexts: options.maxTexts ?? maxTexts,
    maxTextLength: options.maxTextLength ?? maxTextLength,
    deadlineMilliseconds: options.deadlineMilliseconds ?? deadlineMilliseconds,
  };
}
