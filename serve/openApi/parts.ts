/** What the paths of the description are made of: schemas by their names, errors, bodies. */
import type * as v from 'valibot';

import * as explain from '../explainSchema.ts';
import * as inference from '../inferenceSchema.ts';
import * as lines from '../lineSchema.ts';
import { modelFilesSchema } from '../modelFiles.ts';
import * as pieces from '../pieceSchema.ts';
import { addVersionSchema } from '../routes/admin.ts';
import * as whole from '../schema.ts';
import type { App } from '../service.ts';

/** Schemas by their names in the description; requests first. */
export const SCHEMAS = {
  ClassifyRequest: whole.classifyRequestSchema,
  StreamRequest: pieces.streamRequestSchema,
  PieceRequest: pieces.pieceRequestSchema,
  ContinueRequest: pieces.continueRequestSchema,
  Line: lines.lineSchema,
  ExplainRequest: explain.explainRequestSchema,
  AddVersionRequest: addVersionSchema,
  InferRequest: inference.inferRequestSchema,
  Answer: whole.anyAnswerSchema,
  Health: whole.healthSchema,
  Models: whole.modelsSchema,
  ModelVersions: whole.modelVersionsSchema,
  Model: whole.modelSchema,
  ModelFiles: modelFilesSchema,
  StreamEvent: pieces.streamEventSchema,
  Session: pieces.sessionSchema,
  Continued: pieces.continuedSchema,
  LineAnswer: lines.lineAnswerSchema,
  Explanation: explain.explanationSchema,
  Error: whole.errorSchema,
  ServerMetadata: inference.serverMetadataSchema,
  Live: inference.liveSchema,
  Ready: inference.readySchema,
  ModelReady: inference.modelReadySchema,
  ModelMetadata: inference.modelMetadataSchema,
  InferResponse: inference.inferResponseSchema,
  InferenceError: inference.inferenceErrorSchema,
} as const satisfies Record<string, v.GenericSchema>;
export type SchemaName = keyof typeof SCHEMAS;

/** Said of errors by their status. */
const ERRORS = {
  400: 'The body is no JSON, or there is nothing in it to read.',
  401: 'The request has no key, or one that is not known.',
  403: 'The key may ask models, not exchange them; or the server has no keys.',
  404: 'There is no such model, version or session.',
  409: 'The request does not fit the state of the document or of the model.',
  413: 'The body, a text or the list of texts is too large.',
  415: 'The body is not of the type that is read here.',
  422: 'An entry of the body is not what it must be.',
  429: 'No room now, or more requests than this key may send.',
  500: 'A fault of the server.',
  503: 'The server is stopping, or has no memory left for the request.',
  504: 'The answer was not ready in time.',
} as const;
export type ErrorStatus = keyof typeof ERRORS;

const RETRY_AFTER = {
  'retry-after': { description: 'When to try again, in seconds.', required: true, schema: { type: 'integer', minimum: 1 } },
};

/** What every request that reads a text may be refused with, besides what {@link guarded} adds. */
export const READING: readonly ErrorStatus[] = [400, 404, 413, 415, 422, 504];

/** One operation, with what the description says of it. */
export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly object[];
  readonly requestBody?: object;
  readonly responses: Readonly<Record<string, object>>;
}

/** Operations by address and method. */
export type Paths = Readonly<Record<string, Readonly<Partial<Record<'get' | 'post' | 'delete', Operation>>>>>;

/** Routes that only some servers have, with what the description says of them. */
export interface FurtherRoutes {
  readonly route: App;
  readonly paths: Paths;
  /** What the paths refer to besides {@link SCHEMAS}, by name. */
  readonly schemas: Readonly<Record<string, v.GenericSchema>>;
}

export const ref = (name: SchemaName) => ({ $ref: `#/components/schemas/${name}` });

export const found = (description: string, schema: object) => ({ description, content: { 'application/json': { schema } } });

/** A body of JSON, which a request must have. */
export const body = (name: SchemaName, ...examples: readonly object[]) => ({
  required: true,
  content: {
    'application/json': {
      schema: ref(name),
      examples: Object.fromEntries(examples.map((value, index) => [`example${index + 1}`, { value }])),
    },
  },
});

/** Answers that are errors. */
export function errors(statuses: readonly ErrorStatus[], schema: SchemaName = 'Error'): Record<string, object> {
  const answers = statuses.map((status) => [
    status,
    { ...found(ERRORS[status], ref(schema)), ...(status === 429 ? { headers: RETRY_AFTER } : {}) },
  ]);
  return Object.fromEntries(answers) as Record<string, object>;
}

/** The operations with what any request may meet before its route: a key that is missing, no room, a server that is stopping. */
export function guarded(paths: Paths, schema: SchemaName, needsKey: boolean): Paths {
  const before = errors([...(needsKey ? ([401] as const) : []), 429, 500, 503], schema);
  return Object.fromEntries(
    Object.entries(paths).map(([path, operations]) => [
      path,
      Object.fromEntries(
        Object.entries(operations).map(([method, operation]) => [
          method,
          { ...operation, ...(needsKey ? { security: [{ key: [] }] } : {}), responses: { ...operation.responses, ...before } },
        ]),
      ),
    ]),
  );
}

/** Names what stands in an address. */
export const inPath = (name: string, description: string, schema: object) => ({ name, in: 'path', required: true, description, schema });

export const NAME = { $ref: '#/components/parameters/name' };
export const MODEL_VERSION = { $ref: '#/components/parameters/version' };
export const MODEL_FILE = { $ref: '#/components/parameters/file' };

/** The addresses of an operation on a model: the default one, one by its name, and one of its versions. */
export function onModels(rest: string, operation: Operation): Paths {
  const variants = [
    ['/v1', '', []],
    ['/v1/models/{name}', 'OfModel', [NAME]],
    ['/v1/models/{name}/versions/{version}', 'OfVersion', [NAME, MODEL_VERSION]],
  ] as const;
  return Object.fromEntries(
    variants.map(([prefix, suffix, parameters]) => [
      prefix + rest,
      {
        post: {
          ...operation,
          operationId: operation.operationId + suffix,
          parameters: [...parameters, ...(operation.parameters ?? [])],
        },
      },
    ]),
  );
}
