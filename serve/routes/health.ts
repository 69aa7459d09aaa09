import { Hono } from 'hono';

import { stoppingError } from '../errors.ts';
import type { App, AppEnv, Service } from '../service.ts';

/** `GET /health`: 200 `{"status": "ok"}` while requests are taken, 503 once the server is stopping. */
export function healthRoute({ isStopping }: Pick<Service, 'isStopping'>): App {
  return new Hono<AppEnv>().get('/health', (context) => {
    if (isStopping()) throw stoppingError();
    return context.json({ status: 'ok' });
  });
}
