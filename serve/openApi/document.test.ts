import { Hono } from 'hono';
import * as v from 'valibot';
import { beforeEach, describe, expect, it } from 'vitest';

import { PlainRuntime, plainBundle } from '../../test/fixtures/plainRuntime.ts';
import type { LoadedBundle } from '../classifierRuntime.ts';
import type { App, AppEnv } from '../service.ts';
import type { SessionStore } from '../sessionStore.ts';
import { appOn, SIZES, type TestAppOptions, TOKENS } from '../testSupport.ts';
import { found, type FurtherRoutes } from './parts.ts';
import { danglingReferences, operationsOf, routesOf, type Document } from './testSupport.ts';

/** What only some servers have. */
const EVERYTHING: TestAppOptions = {
  keys: () => [],
  admin: { addVersion: () => Promise.reject(new Error('not asked')), rollBack: () => Promise.reject(new Error('not asked')) },
  metrics: async () => new Response(''),
  playground: async () => '',
  files: { list: [{ name: 'bundle.json', bytes: 2, sha256: '00' }], open: () => Promise.reject(new Error('not asked')) },
};

const refuse = () => Promise.reject(new Error('not asked'));
const REFUSING = { get: refuse, create: refuse, replace: refuse, delete: refuse };

let faults: unknown[];
let loaded: LoadedBundle;

beforeEach(() => {
  faults = [];
  loaded = plainBundle([{ runtime: new PlainRuntime({ sizes: SIZES }), vocabulary: TOKENS }]);
});

const describedBy = async (app: App): Promise<Document> => (await app.request('/openapi.json')).json() as Promise<Document>;

describe('openApiDocument', () => {
  it.each([
    ['everything', EVERYTHING, 50],
    ['nothing beyond the models', {}, 37],
  ])('describes every route there is, and no other, of an app with %s', async (_what, options, least) => {
    const app = appOn(loaded, faults, options);
    const routes = new Set(routesOf(app));
    expect(routes.size).toBeGreaterThanOrEqual(least);
    expect([...operationsOf(await describedBy(app)).keys()].toSorted()).toEqual([...routes].toSorted());
  });

  it('gives every operation a name of its own, and refers to nothing that is not there', async () => {
    const document = await describedBy(appOn(loaded, faults, EVERYTHING));
    const names = [...operationsOf(document).values()].map(({ operationId }) => operationId);
    expect(new Set(names).size).toBe(names.length);
    expect(danglingReferences(document)).toEqual({ dangling: [], all: expect.toSatisfy((count: number) => count > 100) });
  });

  it('describes what an app has beyond that, and no sessions where there are none', async () => {
    const further: FurtherRoutes = {
      route: new Hono<AppEnv>().get('/v1/clock', (context) => context.json(12)).get('/clock', (context) => context.json(12)),
      paths: Object.fromEntries(
        ['/v1/clock', '/clock'].map((path) => [
          path,
          {
            get: {
              operationId: path,
              summary: 'The hour',
              tags: ['clock'],
              responses: { 200: found('The hour.', { $ref: '#/components/schemas/Hour' }) },
            },
          },
        ]),
      ),
      schemas: { Hour: v.pipe(v.number(), v.integer()) },
    };
    const sessions: SessionStore = { ...REFUSING, isMissing: true };
    const document = await describedBy(appOn(loaded, faults, { ...EVERYTHING, further: [further], sessions }));
    const operations = operationsOf(document);
    expect(operations.get('GET /v1/clock')).toMatchObject({ security: [{ key: [] }], responses: { 401: {}, 429: {} } });
    expect(Object.keys(operations.get('GET /clock')?.responses ?? {})).toEqual(['200']);
    expect(document.components.schemas['Hour']).toEqual({ type: 'integer' });
    expect(danglingReferences(document).dangling).toEqual([]);
    expect([...operations.keys()].filter((route) => route.includes('/sessions'))).toEqual([]);
  });

  it('tells which operations need a key, as the app does', async () => {
    const app = appOn(loaded, faults, EVERYTHING);
    const document = await describedBy(app);
    expect(document.components).toHaveProperty('securitySchemes.key.scheme', 'bearer');
    for (const [route, { security, responses }] of operationsOf(document)) {
      const [method = '', path = ''] = route.split(' ');
      const { status } = await app.request(
        path.replace('{name}', 'plain').replace('{version}', '1').replace('{id}', 'x').replace('{file}', 'y'),
        { method },
      );
      expect([route, security, '401' in responses, '429' in responses]).toEqual(
        status === 401 ? [route, [{ key: [] }], true, true] : [route, undefined, false, false],
      );
    }
    const open = await describedBy(appOn(loaded, faults));
    expect(JSON.stringify(open)).not.toMatch(/"401"|securitySchemes/);
  });

  it('gives errors the shape that they have there', async () => {
    const failures = [...operationsOf(await describedBy(appOn(loaded, faults, EVERYTHING)))].flatMap(([route, { responses }]) =>
      Object.entries(responses)
        .filter(([status]) => Number(status) >= 400)
        .map(([, { content }]) => ({ route, schema: content?.['application/json']?.schema.$ref })),
    );
    const wanted = failures.map(({ route }) => ({
      route,
      schema: route.includes(' /v2') ? '#/components/schemas/InferenceError' : '#/components/schemas/Error',
    }));
    expect(failures.length).toBeGreaterThan(20);
    expect(failures).toEqual(wanted);
  });

  it('allows no labels, and none of their parameters, where the models have none', async () => {
    const runtime = new PlainRuntime({ sizes: SIZES, outputs: 1 });
    const regression = plainBundle([{ runtime, vocabulary: TOKENS }], { task: 'regression', labels: [], range: [0, 5] });
    const { components } = await describedBy(appOn(regression, faults));
    expect(components.parameters.top_k.schema).toEqual({ not: {} });
    expect(components.parameters.function_to_apply.schema).toEqual({ not: {} });
    expect(JSON.stringify(components.schemas)).not.toContain('"enum":[]');
  });
});
