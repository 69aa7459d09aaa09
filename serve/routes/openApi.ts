import { Hono } from 'hono';

import { openApiDocument, type Described, type DescribedParts } from '../openApi/document.ts';
import type { FurtherRoutes } from '../openApi/parts.ts';
import type { App, AppEnv, Service } from '../service.ts';

/** `GET /openapi.json`: what is served, described for programs. */
export function openApiRoute(
  { models, limits }: Pick<Service, 'models' | 'limits'>,
  parts: DescribedParts,
  further: readonly FurtherRoutes[],
): App {
  return new Hono<AppEnv>().get('/openapi.json', (context) => {
    const served = models.list().flatMap(({ current, previous }) => (previous === undefined ? [current] : [current, previous]));
    const described: Described = {
      parts,
      further,
      names: served.map(({ name }) => name),
      versions: served.map(({ version }) => version),
      tasks: served.map(({ classifier }) => classifier.bundle.task),
      labels: served.flatMap(({ classifier }) => classifier.bundle.labels),
      files: served.flatMap(({ files }) => files?.list.map(({ name }) => name) ?? []),
      limits,
      maxQueue: Math.min(...served.map(({ classifier }) => classifier.maxQueue)),
    };
    return context.json(openApiDocument(described));
  });
}
