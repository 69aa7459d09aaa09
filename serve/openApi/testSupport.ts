/** What the tests of the description share, on Node and in workerd. */
import type { App } from '../service.ts';
import type { openApiDocument } from './document.ts';

export type Document = ReturnType<typeof openApiDocument>;

export interface Operation {
  readonly operationId: string;
  readonly security?: readonly object[];
  readonly responses: Record<string, { readonly content?: Record<string, { readonly schema: { readonly $ref?: string } }> }>;
}

/** Every operation of the description with its method and address: `POST /v1/classify`. */
export function operationsOf(document: Document): Map<string, Operation> {
  return new Map(
    Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation as Operation] as const),
    ),
  );
}

/** Every route of the app, written in the same way. Middleware is there for all methods. */
export const routesOf = (app: App): string[] =>
  app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);

/** References of the description to what it does not hold, and how many references there are. */
export function danglingReferences({ components, ...rest }: Document): { readonly dangling: readonly string[]; readonly all: number } {
  const references = [...JSON.stringify({ components, ...rest }).matchAll(/"\$ref":"(#\/components\/(\w+)\/(\w+))"/g)];
  const held: Readonly<Record<string, object | undefined>> = components;
  const dangling = references.filter(([, , kind = '', name = '']) => !Object.hasOwn(held[kind] ?? {}, name));
  return { dangling: dangling.map(([, reference = '']) => reference), all: references.length };
}
