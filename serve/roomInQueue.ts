import { QueueFullError } from './chunkScheduler.ts';

export interface RoomOptions {
  /** How long to wait before it is tried again. */
  readonly milliseconds: number;
  /** Ends the waiting, with its reason. */
  readonly signal?: AbortSignal;
}

/** Does the work as soon as the queue has room for it. Any other error is the work's own. */
export async function whenThereIsRoom<Result>(work: () => Promise<Result>, { milliseconds, signal }: RoomOptions): Promise<Result> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof QueueFullError)) throw error;
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      signal?.throwIfAborted();
    }
  }
}
