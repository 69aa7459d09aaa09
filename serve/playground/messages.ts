/** What the page and the Web Worker that runs a model tell each other. Every order comes with a port of its own, on which it is answered. */

/** Fetches a model and makes it ready. */
export interface LoadOrder {
  readonly kind: 'load';
  /** Under which the model is asked. */
  readonly name: string;
  /** The address that lists the model's files; each lies below it. */
  readonly files: string;
  /** That the server wants, or nothing. */
  readonly key: string;
}

/** What a model's loading is answered with: how far it is, and how it ended. */
export type LoadNews =
  | { readonly kind: 'progress'; readonly bytes: number; readonly of: number }
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly message: string };

/** A request, as one would send it to the server. Any message on its port takes it back. */
export interface RequestOrder {
  readonly kind: 'request';
  /** Relative, such as `v1/classify`. */
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

/** What a request is answered with: a head, the pieces of the body as they are made, and the end. */
export type ResponsePart =
  | { readonly kind: 'head'; readonly status: number; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: 'piece'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'end' };

/** Told to the page itself: a fault of the model, after which it is of no use. */
export interface Fault {
  readonly kind: 'fault';
  readonly message: string;
}

export type Order = LoadOrder | RequestOrder;
