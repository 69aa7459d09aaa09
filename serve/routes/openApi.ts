import { Hono } from 'hono';

import { openApiDocument } from '../openApi.ts';
import type { App, AppEnv, Service } from '../service.ts';

/** `GET /openapi.json`: what is served, described for programs. */
export function openApiRoute({ models, limits }: Pick<Service, 'models' | 'limits'>): App {
  return new Hono<AppEnv>().get('/openapi.json', (context) => {
    const classifiers = models.list().map(({ current }) => current.classifier);
    const tasks = classifiers.map(({ bundle }) => bundle.task);
    return context.json(openApiDocument({ tasks, limits, maxQueue: Math.min(...classifiers.map(({ maxQueue }) => maxQueue)) }));
  });
}
