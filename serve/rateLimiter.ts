/** Clients that are remembered at a time; past it, those that have been quiet for longest are forgotten. */
const MAX_CLIENTS = 10_000;
const MINUTE = 60_000;

interface Bucket {
  /** Requests that may come at once. */
  tokens: number;
  /** When that was so, in milliseconds. */
  at: number;
}

/**
 * So many requests a minute for each client: a bucket that holds a minute's worth, and fills up again evenly.
 *
 * @example
 * const limiter = new RateLimiter(60);
 * limiter.take('k3w9x0ab'); // 0: go on; or the seconds to wait
 */
export class RateLimiter {
  readonly #perMinute: number;
  readonly #now: () => number;
  /** In the order of their last request. */
  readonly #buckets = new Map<string, Bucket>();

  /** @param now milliseconds of a clock that never goes back */
  constructor(perMinute: number, now: () => number = () => performance.now()) {
    this.#perMinute = perMinute;
    this.#now = now;
  }

  /** Counts a request of a client. @returns 0, or the whole seconds after which the next one may come */
  take(client: string): number {
    const at = this.#now();
    const before = this.#buckets.get(client) ?? { tokens: this.#perMinute, at };
    const tokens = Math.min(this.#perMinute, before.tokens + ((at - before.at) / MINUTE) * this.#perMinute);
    const isAllowed = tokens >= 1;
    this.#buckets.delete(client);
    this.#buckets.set(client, { tokens: isAllowed ? tokens - 1 : tokens, at });
    if (this.#buckets.size > MAX_CLIENTS) {
      const [quietest] = this.#buckets.keys();
      if (quietest !== undefined) this.#buckets.delete(quietest);
    }
    return isAllowed ? 0 : Math.ceil(((1 - tokens) / this.#perMinute) * (MINUTE / 1000));
  }
}
