import type { InferenceSession } from 'onnxruntime-node';

import { SHORT_CHUNKS } from '../turnPlaces.ts';

/** How a call's threads share it. */
export interface CallThreads {
  readonly threads: number;
  /** How long one of them waits for the others by spinning before it sleeps. */
  readonly spinMicroseconds: number;
}

/**
 * Spinning for a call that reads one document with all threads. They meet at every step, some ten microseconds apart; to sleep and wake in
 * between takes longer than what they share.
 */
export const SPIN_MICROSECONDS = 50;

/** Chunks that such a call reads at most: as many as a document has that is not a long one. */
export const LONE_CHUNKS = SHORT_CHUNKS;

/** How the server opens a graph on onnxruntime-node. */
export function sessionOptions({ threads, spinMicroseconds }: CallThreads): InferenceSession.SessionOptions {
  return {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: threads,
    // Threads that spin take processor time from others: none does between calls, and in a call for this long at most.
    extra: {
      session: {
        force_spinning_stop: '1',
        intra_op: spinMicroseconds === 0 ? { allow_spinning: '0' } : { allow_spinning: '1', spin_duration_us: String(spinMicroseconds) },
      },
    },
  };
}
