import { Hono } from 'hono';

import type { AppEnv } from '../service.ts';

/** The files of the playground, by the address of each, with their types. They are the same wherever they are served from. */
export const PLAYGROUND_FILES = {
  'index.html': 'text/html; charset=utf-8',
  'playground.css': 'text/css; charset=utf-8',
  'playground.js': 'text/javascript; charset=utf-8',
  'api.js': 'text/javascript; charset=utf-8',
  'show.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const satisfies Record<string, string>;

export type PlaygroundFile = keyof typeof PLAYGROUND_FILES;

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
].join('; ');

/**
 * `GET /`: the playground, a page to try the models with.
 *
 * @param read gives a file's content, from wherever the files of the folder `serve/playground` are kept
 */
export function playgroundRoute(read: (file: PlaygroundFile) => Promise<Uint8Array<ArrayBuffer> | string>): Hono<AppEnv> {
  const route = new Hono<AppEnv>();
  for (const [file, type] of Object.entries(PLAYGROUND_FILES) as [PlaygroundFile, string][]) {
    route.get(playgroundAddress(file), async (context) =>
      context.body(await read(file), 200, {
        'content-type': type,
        'content-security-policy': CONTENT_SECURITY_POLICY,
        'cache-control': 'no-cache',
      }),
    );
  }
  return route;
}
