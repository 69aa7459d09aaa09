/** The description of the HTTP interface in OpenAPI 3.1, made from the schemas that check the requests. */
import { toJsonSchema, type JsonSchema } from '@valibot/to-json-schema';
import type * as v from 'valibot';

import type { Task } from '../export/bundle.ts';
import * as inference from './inferenceSchema.ts';
import type { Limits } from './limits.ts';
import * as pieces from './pieceSchema.ts';
import * as whole from './schema.ts';
import { VERSION } from './version.ts';

/** What the description depends on. */
export interface Described {
  /** The tasks of the models that are served. */
  readonly tasks: readonly Task[];
  readonly limits: Pick<Limits, 'maxTexts' | 'maxTextLength'>;
  /** Documents that can be in flight at a time: the fewest of any model. */
  readonly maxQueue: number;
}

/** Schemas by their names in the description; requests first. */
const SCHEMAS = {
  ClassifyRequest: whole.classifyRequestSchema,
  StreamRequest: pieces.streamRequestSchema,
  PieceRequest: pieces.pieceRequestSchema,
  ContinueRequest: pieces.continueRequestSchema,
  InferRequest: inference.inferRequestSchema,
  Answer: whole.anyAnswerSchema,
  Health: whole.healthSchema,
  Models: whole.modelsSchema,
  ModelVersions: whole.modelVersionsSchema,
  Model: whole.modelSchema,
  StreamEvent: pieces.streamEventSchema,
  Session: pieces.sessionSchema,
  Continued: pieces.continuedSchema,
  Error: whole.errorSchema,
  ServerMetadata: inference.serverMetadataSchema,
  Live: inference.liveSchema,
  Ready: inference.readySchema,
  ModelReady: inference.modelReadySchema,
  ModelMetadata: inference.modelMetadataSchema,
  InferResponse: inference.inferResponseSchema,
  InferenceError: inference.inferenceErrorSchema,
} as const satisfies Record<string, v.GenericSchema>;
type SchemaName = keyof typeof SCHEMAS;

/** Said of errors by their status. */
const ERRORS = {
  400: 'The body is no JSON, or there is nothing in it to read.',
  404: 'There is no such model, version or session.',
  409: 'The request does not fit the state of the document: its number, its model, or its time.',
  413: 'The body, a text or the list of texts is too large.',
  415: 'The body is not JSON in UTF-8.',
  422: 'An entry of the body is not what it must be.',
  429: 'No room now. The header Retry-After tells when to try again.',
  500: 'A fault of the server.',
  503: 'The server is stopping.',
  504: 'The answer was not ready in time.',
} as const;
type ErrorStatus = keyof typeof ERRORS;

/** One operation, with what the description says of it. */
interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly object[];
  readonly requestBody?: object;
  readonly responses: Readonly<Record<string, object>>;
}

const ref = (name: SchemaName) => ({ $ref: `#/components/schemas/${name}` });
const json = (schema: object) => ({ 'application/json': { schema } });
const body = (name: SchemaName) => ({ required: true, content: json(ref(name)) });
const found = (description: string, schema: object) => ({ description, content: json(schema) });

/** What every request that reads a text may be refused with. */
const READING: readonly ErrorStatus[] = [400, 404, 413, 415, 422, 429, 500, 503, 504];

function errors(statuses: readonly ErrorStatus[], schema: SchemaName = 'Error'): Record<string, object> {
  return Object.fromEntries(statuses.map((status) => [status, { description: ERRORS[status], content: json(ref(schema)) }]));
}

const NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$';
const named = (name: string, description: string, schema: object = { type: 'string', pattern: NAME_PATTERN }) => ({
  name,
  in: 'path',
  required: true,
  description,
  schema,
});
const NAME = named('name', 'The name of a model, see GET /v1/models.');
const MODEL_VERSION = named('version', 'A version of the model.');
const SESSION_ID = named('id', 'The id that POST /v1/sessions answered.', { type: 'string', format: 'uuid' });

/** The addresses of an operation on a model: the default one, one by its name, and one of its versions. */
function onModels(rest: string, method: 'get' | 'post', operation: Operation): Record<string, object> {
  const variants = [
    ['/v1', '', []],
    ['/v1/models/{name}', 'OfModel', [NAME]],
    ['/v1/models/{name}/versions/{version}', 'OfVersion', [NAME, MODEL_VERSION]],
  ] as const;
  return Object.fromEntries(
    variants.map(([prefix, suffix, parameters]) => [
      prefix + rest,
      { [method]: { ...operation, operationId: operation.operationId + suffix, parameters } },
    ]),
  );
}

/** Lets the tools that read the description follow a session from its beginning to its end. */
const sessionLinks = Object.fromEntries(
  ['appendText', 'getSession', 'endSession'].map((operationId) => [operationId, { operationId, parameters: { id: '$response.body#/id' } }]),
);

const PATHS: Readonly<Record<string, object>> = {
  '/health': {
    get: {
      operationId: 'health',
      summary: 'Whether requests are taken',
      tags: ['server'],
      responses: { 200: found('Requests are taken.', ref('Health')), ...errors([503]) },
    },
  },
  '/openapi.json': {
    get: {
      operationId: 'openApi',
      summary: 'This description',
      tags: ['server'],
      responses: { 200: found('The description of the interface in OpenAPI 3.1.', { type: 'object' }) },
    },
  },
  '/v1/models': {
    get: {
      operationId: 'listModels',
      summary: 'What is served',
      tags: ['models'],
      responses: { 200: found('All models.', ref('Models')), ...errors([503]) },
    },
  },
  '/v1/models/{name}': {
    get: {
      operationId: 'getModel',
      summary: 'A model and its versions',
      tags: ['models'],
      parameters: [NAME],
      responses: { 200: found('The model.', ref('ModelVersions')), ...errors([404, 503]) },
    },
  },
  '/v1/models/{name}/versions/{version}': {
    get: {
      operationId: 'getVersion',
      summary: 'A version of a model',
      tags: ['models'],
      parameters: [NAME, MODEL_VERSION],
      responses: { 200: found('The version.', ref('Model')), ...errors([404, 503]) },
    },
  },
  ...onModels('/classify', 'post', {
    operationId: 'classify',
    summary: 'Classify one text, or several',
    tags: ['classify'],
    requestBody: body('ClassifyRequest'),
    responses: {
      200: found('The answer to a string; for an array of strings, an array of answers in the same order.', {
        anyOf: [ref('Answer'), { type: 'array', items: ref('Answer') }],
      }),
      ...errors(READING),
    },
  }),
  ...onModels('/classify/stream', 'post', {
    operationId: 'stream',
    summary: 'Classify one text, with the prediction after each chunk of it',
    tags: ['classify'],
    requestBody: body('StreamRequest'),
    responses: {
      200: {
        description:
          'An event after each chunk: lines of JSON, or server-sent events where Accept asks for them. The last has "final": true.',
        content: { 'application/x-ndjson': { schema: { type: 'string' } }, 'text/event-stream': { schema: { type: 'string' } } },
      },
      ...errors(READING),
    },
  }),
  ...onModels('/classify/continue', 'post', {
    operationId: 'continue',
    summary: 'Classify a text that arrives in pieces, its state kept by the client',
    tags: ['pieces'],
    requestBody: body('ContinueRequest'),
    responses: {
      200: found('The answer to all text so far, and the state to send with the next piece.', ref('Continued')),
      ...errors([...READING, 409]),
    },
  }),
  ...onModels('/sessions', 'post', {
    operationId: 'beginSession',
    summary: 'Begin a document that arrives in pieces',
    tags: ['pieces'],
    responses: {
      201: {
        ...found('The session.', ref('Session')),
        headers: { location: { description: 'The address of the session.', schema: { type: 'string' } } },
        links: sessionLinks,
      },
      ...errors([404, 422, 429, 500, 503]),
    },
  }),
  '/v1/sessions/{id}': {
    get: {
      operationId: 'getSession',
      summary: 'The answer to all text so far',
      tags: ['pieces'],
      parameters: [SESSION_ID],
      responses: { 200: found('The session.', ref('Session')), ...errors([404, 409, 500, 503]) },
    },
    delete: {
      operationId: 'endSession',
      summary: 'End the session',
      tags: ['pieces'],
      parameters: [SESSION_ID],
      responses: { 204: { description: 'It is forgotten.' }, ...errors([404, 500, 503]) },
    },
  },
  '/v1/sessions/{id}/text': {
    post: {
      operationId: 'appendText',
      summary: 'Append a piece of the document',
      tags: ['pieces'],
      parameters: [SESSION_ID],
      requestBody: body('PieceRequest'),
      responses: { 200: found('The answer to all text so far.', ref('Session')), ...errors([...READING, 409]) },
    },
  },
  ...inferencePaths(),
};

/** The Open Inference Protocol. */
function inferencePaths(): Record<string, object> {
  const refused = (statuses: readonly ErrorStatus[]) => errors(statuses, 'InferenceError');
  const tags = ['Open Inference Protocol'];
  const get = (operationId: string, summary: string, schema: SchemaName, statuses: readonly ErrorStatus[], parameters: object[] = []) => ({
    operationId,
    summary,
    tags,
    parameters,
    responses: { 200: found(`${summary}.`, ref(schema)), ...refused(statuses) },
  });
  const models = [
    ['/v2/models/{name}', 'OfModel', [NAME]],
    ['/v2/models/{name}/versions/{version}', 'OfVersion', [NAME, MODEL_VERSION]],
  ] as const;
  return {
    '/v2': { get: get('serverMetadata', 'The server and its version', 'ServerMetadata', []) },
    '/v2/health/live': { get: get('live', 'Whether the server runs', 'Live', []) },
    '/v2/health/ready': { get: get('ready', 'Whether the server takes requests', 'Ready', [503]) },
    ...Object.fromEntries(
      models.flatMap(([path, suffix, parameters]) => [
        [path, { get: get(`metadata${suffix}`, 'Inputs and outputs of a model', 'ModelMetadata', [404], [...parameters]) }],
        [`${path}/ready`, { get: get(`ready${suffix}`, 'Whether a model takes requests', 'ModelReady', [404, 503], [...parameters]) }],
        [
          `${path}/infer`,
          {
            post: {
              operationId: `infer${suffix}`,
              summary: 'Classify texts, or the next piece of a sequence',
              tags,
              parameters,
              requestBody: body('InferRequest'),
              responses: { 200: found('The outputs.', ref('InferResponse')), ...refused([...READING, 409]) },
            },
          },
        ],
      ]),
    ),
  };
}

/**
 * The description of what is served now.
 *
 * @example
 * openApiDocument({ tasks: ['singleLabel'], limits: DEFAULT_LIMITS, maxQueue: 256 }).openapi; // '3.1.0'
 */
export function openApiDocument(described: Described) {
  const schemas = Object.fromEntries(
    Object.entries(SCHEMAS).map(([name, schema]) => {
      const {
        $schema: _dialect,
        $defs: _unused,
        ...rest
      } = toJsonSchema(schema, {
        typeMode: 'input',
        errorMode: 'ignore',
        overrideSchema: ({ valibotSchema }) => written(valibotSchema, described),
      });
      return [name, rest];
    }),
  );
  return {
    openapi: '3.1.0',
    info: {
      title: 'ulmfit',
      version: VERSION,
      description: 'Text classification: whole documents, documents that arrive in pieces, and the Open Inference Protocol.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths: PATHS,
    components: { schemas },
  };
}

/** What valibot's schema does not say, because its check is made elsewhere and has an error of its own. */
function written(schema: unknown, { tasks, limits, maxQueue }: Described): JsonSchema | undefined {
  const piece: JsonSchema = { type: 'string', maxLength: limits.maxTextLength };
  // With a character that is no white space, as Python and ECMAScript agree on it.
  const text: JsonSchema = { ...piece, pattern: '[^\\s\\u001c-\\u001f\\u0085\\ufeff]' };
  if (schema === whole.inputsSchema) {
    const texts: JsonSchema = { type: 'array', items: text, minItems: 1, maxItems: Math.min(limits.maxTexts, maxQueue) };
    return { anyOf: [text, texts] };
  }
  if (schema === pieces.streamedTextSchema) return text;
  if (schema === pieces.pieceTextSchema) return piece;
  if (schema === whole.answerParametersSchema && tasks.every((task) => task === 'regression'))
    return { type: 'object', additionalProperties: false };
  if (schema === whole.scoreFunctionSchema) return { enum: [...whole.scoreFunctionsOfAll(tasks)] };
  if (schema === inference.datumSchema) return { anyOf: [text, { type: 'array', items: text, minItems: 1, maxItems: 1 }] };
  return undefined;
}
