import { Hono } from 'hono';

import { stoppingError } from '../errors.ts';
import type { App, AppEnv, Service } from '../service.ts';

/**
 * What load balancers and Kubernetes ask, without a key:
 * - `GET /health`: 200 `{"status": "ok"}` while requests are taken, 503 once the server is stopping; `GET /v2/health/ready` is the same in the
 *   Open Inference Protocol.
 * - `GET /v2/health/live`: 200 as long as the server runs, also while it finishes what is in flight: nobody should kill it for that.
 */
export function healthRoute({ isStopping }: Pick<Service, 'isStopping'>): App {
  const route = new Hono<AppEnv>();
  route.get('/health', (context) => {
    if (isStopping()) throw stoppingError();
    return context.json({ status: 'ok' });
  });
  route.get('/v2/health/live', (context) => context.json({ live: true }));
  route.get('/v2/health/ready', (context) => {
    if (isStopping()) throw stoppingError();
    return context.json({ ready: true });
  });
  return route;
}
