import { Hono } from 'hono';

import { stoppingError } from '../errors.ts';

/** `GET /health`: 200 `{"status": "ok"}` while requests are taken, 503 once the server is stopping. */
export function healthRoute(isStopping: () => boolean): Hono {
  return new Hono().get('/health', (context) => {
    if (isStopping()) throw stoppingError();
    return context.json({ status: 'ok' });
  });
}
