/**
 * A model in this browser, asked as the server is: a Web Worker has the server's own app, and answers by messages.
 *
 * @typedef {import('./messages.ts').Order} Order
 * @typedef {import('./messages.ts').LoadNews} LoadNews
 * @typedef {import('./messages.ts').ResponsePart} ResponsePart
 * @typedef {import('./messages.ts').Fault} Fault
 */
export class LocalServer {
  #worker = new Worker(new URL('localWorker.js', import.meta.url), { type: 'module' });
  #gone = new AbortController();

  constructor() {
    this.#worker.addEventListener('message', (/** @type {MessageEvent<Fault>} */ { data }) => this.#end(data.message));
    this.#worker.addEventListener('error', (event) => {
      event.preventDefault();
      this.#end(event.message || 'Its program could not be loaded.');
    });
  }

  /** Aborted when the model can be asked no more; the reason is an Error that says why. */
  get gone() {
    return this.#gone.signal;
  }

  /**
   * Fetches the model.
   *
   * @param {{ name: string, files: string, key: string }} model its name, the address of its files, and the key for them, if any
   * @param {(bytes: number, of: number) => void} onProgress
   * @returns {Promise<void>} fails when it cannot be had, or is damaged
   */
  load(model, onProgress) {
    return new Promise((resolve, reject) => {
      this.gone.addEventListener('abort', () => reject(/** @type {Error} */ (this.gone.reason)));
      const port = this.#order({ kind: 'load', ...model });
      port.onmessage = (/** @type {MessageEvent<LoadNews>} */ { data }) => {
        if (data.kind === 'progress') onProgress(data.bytes, data.of);
        else if (data.kind === 'ready') resolve();
        else reject(new Error(data.message));
      };
    });
  }

  /**
   * As the browser's own fetch.
   *
   * @param {string} path
   * @param {{ method?: string, headers?: Record<string, string>, body?: string, signal?: AbortSignal }} init
   * @returns {Promise<Response>}
   */
  fetch(path, { method = 'GET', headers = {}, body, signal }) {
    const left = signal === undefined ? this.gone : AbortSignal.any([signal, this.gone]);
    return new Promise((resolve, reject) => {
      left.throwIfAborted();
      const port = this.#order({ kind: 'request', path, method, headers, body: body ?? null });
      /** @type {ReadableStreamDefaultController<Uint8Array>} */
      let pieces;
      const stream = new ReadableStream({
        start: (controller) => void (pieces = controller),
        cancel: () => {
          port.postMessage('left');
          port.onmessage = null;
        },
      });
      left.addEventListener('abort', () => {
        port.postMessage('left');
        reject(/** @type {Error} */ (left.reason));
        pieces.error(left.reason);
      });
      port.onmessage = (/** @type {MessageEvent<ResponsePart>} */ { data }) => {
        if (left.aborted) return;
        if (data.kind === 'head') resolve(new Response(stream, data));
        else if (data.kind === 'piece') pieces.enqueue(data.bytes);
        else pieces.close();
      };
    });
  }

  /** Gives the model's memory back. */
  close() {
    this.#end('It was closed.');
  }

  /** @param {string} why */
  #end(why) {
    this.#worker.terminate();
    this.#gone.abort(new Error(`The model stopped in this browser, so texts go to the server again. ${why.replace(/[^.]$/, '$&.')}`));
  }

  /**
   * @param {Order} order
   * @returns {MessagePort} on which it is answered
   */
  #order(order) {
    const { port1, port2 } = new MessageChannel();
    this.#worker.postMessage(order, [port2]);
    return port1;
  }
}
