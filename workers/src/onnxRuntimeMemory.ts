/** The memory that onnxruntime-web works in: it has a limit, and going beyond it is an error of one call, not the end of the isolate. */
import ortModule, { ALLOCATE, MAX_BYTES } from '#onnxruntime-module';

import { HttpError } from '../../serve/errors.ts';

const PAGE_BYTES = 65_536;

/** When to try again: other documents may have left by then. */
const RETRY_AFTER_SECONDS = 5;

/** A graph call, or a model, for which there was no room. */
export class OutOfMemoryError extends HttpError {
  constructor() {
    super(503, 'unavailable', 'There is no memory left for this request. Send fewer or shorter texts at a time, or try again later.', {
      'retry-after': String(RETRY_AFTER_SECONDS),
    });
  }
}

/** What onnxruntime says of an allocation that failed, or of one that its glue code needed. */
const OUT_OF_MEMORY = /bad_alloc|failed to allocate/i;

/** The error, or in its place an OutOfMemoryError where that is what it says. */
export function asOutOfMemory(error: unknown): unknown {
  return error instanceof Error && OUT_OF_MEMORY.test(error.message) ? new OutOfMemoryError() : error;
}

/**
 * Until it is undone, onnxruntime's glue code, wanting a memory and a module, gets ours.
 *
 * - The memory has our limit, and is not shared: `Atomics.waitAsync`, which wants a shared one, is not there.
 * - The module is the one that was compiled with the Worker, whatever bytes are given. Where its allocator has no room it throws: the glue code does
 *   not look at what it got, and would write a request's numbers over onnxruntime's own.
 *
 * @returns what undoes it
 */
export function lendOurModule(): () => void {
  const { instantiate, Memory } = WebAssembly;
  const { waitAsync } = Atomics;
  const cappedMemory = function ({ initial }: WebAssembly.MemoryDescriptor) {
    return new Memory({ initial, maximum: Math.floor(MAX_BYTES / PAGE_BYTES) });
  };
  const instantiateOurs = async (_bytes: unknown, imports?: WebAssembly.Imports) => {
    const { exports } = await instantiate(ortModule, imports);
    return { module: ortModule, instance: { exports: { ...exports, [ALLOCATE]: allocatorThatThrows(exports[ALLOCATE]) } } };
  };
  Object.assign(WebAssembly, { instantiate: instantiateOurs, Memory: cappedMemory });
  Object.assign(Atomics, { waitAsync: undefined });
  return () => {
    Object.assign(WebAssembly, { instantiate, Memory });
    Object.assign(Atomics, { waitAsync });
  };
}

function allocatorThatThrows(allocate: WebAssembly.ExportValue | undefined): (bytes: number) => number {
  if (typeof allocate !== 'function') throw new Error(`onnxruntime-web has no function ${ALLOCATE}. Deploy again.`);
  return (bytes) => {
    const address = allocate(bytes) as number;
    if (address === 0 && bytes > 0) throw new OutOfMemoryError();
    return address;
  };
}
