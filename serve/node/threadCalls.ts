/** Calls to a thread of one's own: requests go in, answers come out, each to the one who asked. */
import { extname } from 'node:path';
import { isMarkedAsUntransferable, parentPort, type Transferable, Worker } from 'node:worker_threads';

interface Call {
  readonly id: number;
  readonly request: unknown;
}

type Answer = { readonly id: number; readonly result: unknown } | { readonly id: number; readonly error: unknown };

/**
 * A thread that runs a module with {@link answerCalls}. It starts with the first call, and again with the next call after it failed.
 * Only a call that runs keeps the process alive.
 */
export class ThreadCaller<Request, Result> {
  readonly #module: URL;
  readonly #data: unknown;
  readonly #waiting = new Map<number, PromiseWithResolvers<Result>>();
  #worker: Worker | undefined;
  #lastId = 0;

  /**
   * @param name of the module beside this one, without its extension
   * @param data what the module finds as `workerData`
   */
  constructor(name: string, data: unknown) {
    // The sources are TypeScript, a built package JavaScript.
    this.#module = new URL(`./${name}${extname(import.meta.url)}`, import.meta.url);
    this.#data = data;
  }

  /**
   * @param transfer buffers of the request that the thread may take over instead of a copy
   * @throws what the thread's handler threw, and Error when the thread has ended
   */
  call(request: Request, transfer: readonly Transferable[] = []): Promise<Result> {
    this.#worker ??= this.#start();
    const answer = Promise.withResolvers<Result>();
    const id = ++this.#lastId;
    this.#worker.postMessage({ id, request } satisfies Call, transfer);
    this.#waiting.set(id, answer);
    this.#worker.ref();
    return answer.promise;
  }

  /** Calls that have no answer yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Ends the thread, whatever it is at. */
  async close(): Promise<void> {
    const worker = this.#worker;
    this.#fail(worker, new Error('The thread was closed.'));
    await worker?.terminate();
  }

  #start(): Worker {
    // Without this process's own flags, of which some, such as --input-type, would make a thread fail.
    const worker = new Worker(this.#module, { execArgv: [], workerData: this.#data });
    worker.on('message', (answer: Answer) => this.#settle(worker, answer));
    worker.on('error', (error) => this.#fail(worker, error));
    worker.on('messageerror', (error) => this.#fail(worker, error));
    worker.on('exit', (code) => this.#fail(worker, new Error(`The thread ended with code ${code}.`)));
    return worker;
  }

  #settle(worker: Worker, answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) worker.unref();
    if ('error' in answer) waiting?.reject(answer.error);
    else waiting?.resolve(answer.result as Result);
  }

  /** Everybody who waits for this thread is told; the next call starts another one. */
  #fail(worker: Worker | undefined, error: unknown): void {
    if (worker === undefined || worker !== this.#worker) return;
    this.#worker = undefined;
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}

/**
 * In the thread: answers every call with what the handler returns or throws, in the order in which they came.
 *
 * @param transfer buffers of the result that need not be copied
 */
export function answerCalls<Request, Result>(
  handler: (request: Request) => Promise<Result> | Result,
  transfer: (result: Result) => readonly ArrayBufferLike[],
): void {
  const port = parentPort;
  if (port === null) throw new Error('This module runs in a thread of its own.');
  const answer = async ({ id, request }: Call): Promise<void> => {
    try {
      const result = await handler(request as Request);
      const buffers = transfer(result).filter((buffer) => buffer instanceof ArrayBuffer && !isMarkedAsUntransferable(buffer));
      port.postMessage({ id, result } satisfies Answer, buffers as ArrayBuffer[]);
    } catch (error) {
      port.postMessage({ id, error } satisfies Answer);
    }
  };
  port.on('message', (call: Call) => void answer(call));
}
