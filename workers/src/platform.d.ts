// The few names of the edge platform that this Worker uses. Everything else is the web's own, from TypeScript's WebWorker library.

/** A compiled module, by wrangler's CompiledWasm rule. */
declare module '*.wasm' {
  const module: WebAssembly.Module;
  export default module;
}

/** What onnxRuntimeModule.ts wrote: onnxruntime-web's module with an unshared memory. */
declare module '#onnxruntime-module' {
  const module: WebAssembly.Module;
  export default module;
  /** What its memory may grow to. */
  export const MAX_BYTES: number;
  /** The name of the module's function that allocates. */
  export const ALLOCATE: string;
}

declare module 'cloudflare:workers' {
  /** What an object with storage of its own extends: there is one instance for an id in the whole world, whose methods can be called from anywhere. */
  export abstract class DurableObject<Bindings> {
    protected readonly ctx: DurableObjectState;
    protected readonly env: Bindings;
    constructor(context: DurableObjectState, env: Bindings);
  }
}

interface DurableObjectState {
  readonly storage: DurableObjectStorage;
}

/** Nothing that an object answers leaves it before what it has written is on disk. */
interface DurableObjectStorage {
  get(key: string): Promise<unknown>;
  put(key: string, value: unknown): Promise<void>;
  deleteAll(): Promise<void>;
  setAlarm(time: number): Promise<void>;
  deleteAlarm(): Promise<void>;
}

interface DurableObjectNamespace<Methods> {
  idFromName(name: string): DurableObjectId;
  get(id: DurableObjectId): Methods;
}

interface DurableObjectId {
  readonly name?: string;
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

/** The platform's counter of requests. */
interface RateLimit {
  limit(options: { readonly key: string }): Promise<{ readonly success: boolean }>;
}

/** What a binding of version metadata holds. */
interface VersionMetadata {
  readonly id: string;
  readonly tag: string;
  readonly timestamp: string;
}

/** Objects of bytes by their keys. */
interface R2Bucket {
  head(key: string): Promise<R2Object | null>;
  get(key: string, options?: { readonly range?: { readonly offset: number; readonly length: number } }): Promise<R2ObjectBody | null>;
  put(
    key: string,
    value: string | Uint8Array,
    options?: { readonly customMetadata?: Readonly<Record<string, string>> },
  ): Promise<R2Object | null>;
  /** @param keys at most 1,000 */
  delete(keys: string | readonly string[]): Promise<void>;
  /** Up to 1,000 objects, in the order of their keys. */
  list(options: { readonly prefix: string; readonly cursor?: string; readonly include?: readonly 'customMetadata'[] }): Promise<R2Objects>;
  createMultipartUpload(key: string): Promise<R2MultipartUpload>;
}

interface R2Object {
  readonly key: string;
  readonly size: number;
  readonly customMetadata?: Readonly<Record<string, string>>;
}

interface R2ObjectBody extends R2Object {
  readonly body: ReadableStream<Uint8Array>;
  json(): Promise<unknown>;
}

type R2Objects = { readonly objects: readonly R2Object[] } & (
  | { readonly truncated: false }
  | { readonly truncated: true; readonly cursor: string }
);

interface R2MultipartUpload {
  /** @param partNumber from 1. All parts but the last one have the same size, of at least 5 MiB. */
  uploadPart(partNumber: number, value: Uint8Array): Promise<R2UploadedPart>;
  complete(parts: readonly R2UploadedPart[]): Promise<R2Object>;
  abort(): Promise<void>;
}

interface R2UploadedPart {
  readonly partNumber: number;
  readonly etag: string;
}

/** Where messages are put. */
interface Queue<Body> {
  /** @param messages at most 100, of 256 kB together */
  sendBatch(messages: readonly { readonly body: Body }[]): Promise<void>;
}

/** Messages that are delivered, each at least once. */
interface MessageBatch<Body> {
  readonly queue: string;
  readonly messages: readonly Message<Body>[];
}

interface Message<Body> {
  readonly id: string;
  /** From 1. */
  readonly attempts: number;
  readonly body: Body;
  /** It is done. A message that is neither acknowledged nor sent back when the handler ends well counts as done. */
  ack(): void;
  /** Delivers it again, or to the dead letters where that was the last attempt. */
  retry(options?: { readonly delaySeconds?: number }): void;
}
