/** The description of the interface, of a deployment with everything and of one with nothing beyond the models. */
import { createExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { expect, it, vi } from 'vitest';

import { danglingReferences, operationsOf, routesOf, type Document } from '../../serve/openApi/testSupport.ts';
import type { Env } from '../src/environment.ts';

/** A Worker in an isolate of its own: its routes, and the description that it answers with. */
async function described(bindings: Env) {
  vi.resetModules();
  const [{ readyIsolate }, { default: worker }] = [await import('../src/isolate.ts'), await import('../src/worker.ts')];
  const ask = (path: string, init?: RequestInit) =>
    worker.fetch(new Request(`http://edge.test${path}`, init), bindings, createExecutionContext());
  const response = await ask('/openapi.json');
  expect(response.status).toBe(200);
  const document = (await response.json()) as Document;
  return { ask, document, operations: operationsOf(document), routes: routesOf((await readyIsolate(bindings)).app) };
}

const isJob = (route: string) => route.includes(' /v1/jobs');
const isSession = (route: string) => /\/sessions(\/|$)/.test(route);

it('lists every route that answers, jobs and sessions among them, and no other', async () => {
  const { document, operations, routes } = await described(env);
  expect([...operations.keys()].toSorted()).toEqual([...new Set(routes)].toSorted());
  expect([...operations.keys()].filter(isJob)).toHaveLength(5);
  expect([...operations.keys()].filter(isSession)).toHaveLength(6);
  const names = [...operations.values()].map(({ operationId }) => operationId);
  expect(new Set(names).size).toBe(names.length);
  expect(danglingReferences(document)).toEqual({ dangling: [], all: expect.toSatisfy((count: number) => count > 100) });
  expect(operations.get('GET /metrics')?.responses['200']?.content).toHaveProperty(['application/json']);
});

it('lists no route that only says how to get it', async () => {
  const { ask, document, operations, routes } = await described({ ASSETS: env.ASSETS });
  const answering = routes.filter((route) => !isJob(route) && !isSession(route));
  expect([...operations.keys()].toSorted()).toEqual([...new Set(answering)].toSorted());
  expect(danglingReferences(document).dangling).toEqual([]);
  for (const path of ['/v1/jobs', '/v1/sessions']) expect((await ask(path, { method: 'POST' })).status).toBe(501);
});
