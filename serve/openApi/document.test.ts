import { beforeEach, describe, expect, it } from 'vitest';

import { PlainRuntime, plainBundle } from '../../test/fixtures/plainRuntime.ts';
import type { LoadedBundle } from '../classifierRuntime.ts';
import type { App } from '../service.ts';
import { appOn, SIZES, type TestAppOptions, TOKENS } from '../testSupport.ts';
import type { openApiDocument } from './document.ts';

type Document = ReturnType<typeof openApiDocument>;
interface Operation {
  readonly operationId: string;
  readonly security?: readonly object[];
  readonly responses: Record<string, { readonly content?: Record<string, { readonly schema: { readonly $ref?: string } }> }>;
}

/** What only some servers have. */
const EVERYTHING: TestAppOptions = {
  keys: () => [],
  admin: { addVersion: () => Promise.reject(new Error('not asked')), rollBack: () => Promise.reject(new Error('not asked')) },
  metrics: async () => new Response(''),
  playground: async () => '',
};

let faults: unknown[];
let loaded: LoadedBundle;

beforeEach(() => {
  faults = [];
  loaded = plainBundle([{ runtime: new PlainRuntime({ sizes: SIZES }), vocabulary: TOKENS }]);
});

const describedBy = async (app: App): Promise<Document> => (await app.request('/openapi.json')).json() as Promise<Document>;

/** Every operation of the description with its method and address: `POST /v1/classify`. */
function operationsOf(document: Document): Map<string, Operation> {
  return new Map(
    Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation as Operation] as const),
    ),
  );
}

/** Every route of the app, written in the same way. Middleware is there for all methods. */
const routesOf = (app: App): string[] =>
  app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);

describe('openApiDocument', () => {
  it.each([
    ['everything', EVERYTHING, 44],
    ['nothing beyond the models', {}, 35],
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
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g)];
    expect(references.length).toBeGreaterThan(100);
    const components: Record<string, Record<string, unknown> | undefined> = document.components;
    for (const [, kind = '', name = ''] of references) expect(components[kind]).toHaveProperty(name);
  });

  it('tells which operations need a key, as the app does', async () => {
    const app = appOn(loaded, faults, EVERYTHING);
    const document = await describedBy(app);
    expect(document.components).toHaveProperty('securitySchemes.key.scheme', 'bearer');
    for (const [route, { security, responses }] of operationsOf(document)) {
      const [method = '', path = ''] = route.split(' ');
      const { status } = await app.request(path.replace('{name}', 'plain').replace('{version}', '1').replace('{id}', 'x'), { method });
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
