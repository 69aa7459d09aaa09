// The few names of the edge platform that this Worker uses. Everything else is the web's own, from TypeScript's WebWorker library.

/** A compiled module, by wrangler's CompiledWasm rule. */
declare module '*.wasm' {
  const module: WebAssembly.Module;
  export default module;
}

/** A binding that answers requests, such as the static assets. */
interface Fetcher {
  fetch(input: Request | URL | string): Promise<Response>;
}

/** What the platform lends to one request. */
interface ExecutionContext {
  /** Keeps the request's timers and reads alive until the promise settles, whether or not the client waits. */
  waitUntil(promise: Promise<unknown>): void;
  passThroughOnException(): void;
}

/** Hashes what is written to it, however much that is: the platform's own addition to Web Crypto. */
interface DigestStream extends WritableStream<Uint8Array> {
  readonly digest: Promise<ArrayBuffer>;
}

interface Crypto {
  readonly DigestStream: new (algorithm: 'SHA-256') => DigestStream;
}
