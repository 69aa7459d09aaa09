import { Hono } from 'hono';

import type { AppEnv } from '../service.ts';

/** The files of the playground, by the address of each, with their types. They are the same wherever they are served from. */
export const PLAYGROUND_FILES = {
  'index.html': 'text/html; charset=utf-8',
  'playground.css': 'text/css; charset=utf-8',
  'playground.js': 'text/javascript; charset=utf-8',
  'api.js': 'text/javascript; charset=utf-8',
  'show.js': 'text/javascript; charset=utf-8',
  'place.js': 'text/javascript; charset=utf-8',
  'localServer.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const satisfies Record<string, string>;

/** The files with which a browser runs a model itself: only where models are given away. */
export const LOCAL_FILES = {
  'localWorker.js': 'text/javascript; charset=utf-8',
  'ort-wasm-simd-threaded.wasm': 'application/wasm',
} as const satisfies Record<string, string>;

export type PlaygroundFile = keyof typeof PLAYGROUND_FILES | keyof typeof LOCAL_FILES;
/** A file's content. */
export type PlaygroundContent = Uint8Array<ArrayBuffer> | string | ReadableStream<Uint8Array>;

/** Where a file is served. */
export const playgroundAddress = (file: PlaygroundFile): string => (file === 'index.html' ? '/' : `/playground/${file}`);

/** Nothing from elsewhere, nothing inline, and nobody frames it. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
];

/** The page may start a worker of its own. A worker has the policy that it came with: it alone may compile WebAssembly. */
const policyOf = (file: PlaygroundFile, downloadable: boolean): string =>
  file === 'localWorker.js'
    ? ["default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "connect-src 'self'"].join('; ')
    : [...CONTENT_SECURITY_POLICY, ...(downloadable ? ["worker-src 'self'"] : [])].join('; ');

/** The file that only changes with the version of onnxruntime, which is part of the address that the playground asks. */
const VERSIONED: PlaygroundFile = 'ort-wasm-simd-threaded.wasm';

/**
 * `GET /`: the playground, a page to try the models with.
 *
 * @param read gives a file's content, from wherever the files of the folder `serve/playground` are kept
 * @param downloadable whether the page may bring models into the browser
 */
export function playgroundRoute(read: (file: PlaygroundFile) => Promise<PlaygroundContent>, downloadable: boolean): Hono<AppEnv> {
  const route = new Hono<AppEnv>();
  const files = { ...PLAYGROUND_FILES, ...(downloadable && LOCAL_FILES) };
  for (const [file, type] of Object.entries(files) as [PlaygroundFile, string][]) {
    route.get(playgroundAddress(file), async (context) =>
      context.body(await read(file), 200, {
        'content-type': type,
        'content-security-policy': policyOf(file, downloadable),
        'cache-control': file === VERSIONED ? 'public, max-age=31536000, immutable' : 'no-cache',
      }),
    );
  }
  return route;
}
