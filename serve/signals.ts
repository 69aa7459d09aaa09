/**
 * Aborts a controller as soon as one of several signals is aborted, with that one's reason, until told to stop.
 *
 * What `AbortSignal.any` does, for those who know when they are done: of a signal made by `any`, Node keeps weak references with the signals
 * that it depends on, and a finalizer, until the garbage collector has found it; for every request, with a signal that lives as long as the
 * server, that is a good part of the collector's work.
 *
 * @returns what stops it
 * @example
 * const controller = new AbortController();
 * const unfollow = follow(controller, [request.signal, shutdown]);
 * try {
 *   await work(controller.signal);
 * } finally {
 *   unfollow();
 * }
 */
export function follow(controller: AbortController, signals: readonly (AbortSignal | undefined)[]): () => void {
  const followed = signals.flatMap((signal) => (signal === undefined ? [] : [{ signal, abort: () => controller.abort(signal.reason) }]));
  for (const { signal, abort } of followed) {
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  }
  return () => {
    for (const { signal, abort } of followed) signal.removeEventListener('abort', abort);
  };
}
