/** The addresses below `/v1`, and those of the server itself. */
import { LOCAL_FILES, PLAYGROUND_FILES, playgroundAddress, type PlaygroundFile } from '../routes/playground.ts';
import { body, errors, found, inPath, MODEL_FILE, MODEL_VERSION, NAME, onModels, type Paths, READING, ref } from './parts.ts';

const SESSION_ID = inPath('id', 'The id that POST /v1/sessions answered.', { type: 'string', format: 'uuid' });

/** Lets the tools that read the description follow a session from its beginning to its end. */
const sessionLinks = Object.fromEntries(
  ['appendText', 'getSession', 'endSession'].map((operationId) => [operationId, { operationId, parameters: { id: '$response.body#/id' } }]),
);

/** Need no key. */
export const SERVER_PATHS: Paths = {
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
};

/** Where there are metrics. */
export const METRICS_PATHS: Paths = {
  '/metrics': {
    get: {
      operationId: 'metrics',
      summary: 'Counters and times, for Prometheus',
      tags: ['server'],
      responses: { 200: { description: 'The metrics.', content: { 'text/plain': { schema: { type: 'string' } } } } },
    },
  },
};

/** Where there is a playground. */
export const playgroundPaths = (downloadable: boolean): Paths =>
  Object.fromEntries(
    (Object.entries({ ...PLAYGROUND_FILES, ...(downloadable && LOCAL_FILES) }) as [PlaygroundFile, string][]).map(([file, type]) => {
      const [mediaType = ''] = type.split(';');
      const schema = { type: 'string' };
      const name = file.replaceAll(/\W(\w)/g, (_match, letter: string) => letter.toUpperCase());
      return [
        playgroundAddress(file),
        {
          get: {
            operationId: `playground${name.charAt(0).toUpperCase()}${name.slice(1)}`,
            summary: file === 'index.html' ? 'The playground, a page to try the models with' : `A file of the playground: ${file}`,
            tags: ['playground'],
            responses: {
              200: { description: 'The file.', content: { [mediaType]: { schema } } },
              ...errors(file in LOCAL_FILES ? [404, 500] : [500]),
            },
          },
        },
      ];
    }),
  );

/** Where models can be exchanged over HTTP. */
export const ADMIN_PATHS: Paths = {
  '/v1/models/{name}/versions': {
    post: {
      operationId: 'addVersion',
      summary: 'Let another version of a model answer from now on',
      description: 'Needs an admin key. The folder lies below the one that the server was started with (--models-root).',
      tags: ['models'],
      parameters: [NAME],
      requestBody: body('AddVersionRequest', { folder: 'reviews-2' }),
      responses: { 201: found('The model, changed.', ref('ModelVersions')), ...errors([400, 403, 404, 409, 413, 415, 422]) },
    },
  },
  '/v1/models/{name}/rollback': {
    post: {
      operationId: 'rollBack',
      summary: 'Let the version before answer again',
      description: 'Needs an admin key. A second one goes forward again.',
      tags: ['models'],
      parameters: [NAME],
      responses: { 200: found('The model, changed.', ref('ModelVersions')), ...errors([403, 404, 409]) },
    },
  },
};

/** What every server has below `/v1`. */
export const MODEL_PATHS: Paths = {
  '/v1/models': {
    get: {
      operationId: 'listModels',
      summary: 'What is served',
      tags: ['models'],
      responses: { 200: found('All models.', ref('Models')) },
    },
  },
  '/v1/models/{name}': {
    get: {
      operationId: 'getModel',
      summary: 'A model and its versions',
      tags: ['models'],
      parameters: [NAME],
      responses: { 200: found('The model.', ref('ModelVersions')), ...errors([404]) },
    },
  },
  '/v1/models/{name}/versions/{version}': {
    get: {
      operationId: 'getVersion',
      summary: 'A version of a model',
      tags: ['models'],
      parameters: [NAME, MODEL_VERSION],
      responses: { 200: found('The version.', ref('Model')), ...errors([404]) },
    },
  },
  '/v1/models/{name}/versions/{version}/files': {
    get: {
      operationId: 'listFiles',
      summary: 'The files from which a version can be run elsewhere',
      description: 'Where the server does not give its models away, 404.',
      tags: ['models'],
      parameters: [NAME, MODEL_VERSION],
      responses: { 200: found('The files.', ref('ModelFiles')), ...errors([404]) },
    },
  },
  '/v1/models/{name}/versions/{version}/files/{file}': {
    get: {
      operationId: 'getFile',
      summary: 'A file of a version',
      description: 'Where the server does not give its models away, 404.',
      tags: ['models'],
      parameters: [NAME, MODEL_VERSION, MODEL_FILE],
      responses: {
        200: {
          description: 'The file.',
          headers: { etag: { description: 'The SHA-256 of the file.', schema: { type: 'string' } } },
          content: { 'application/octet-stream': {}, 'application/json': {} },
        },
        304: { description: 'The file is the one whose ETag came with the request in If-None-Match.' },
        ...errors([404]),
      },
    },
  },
  ...onModels('/classify', {
    operationId: 'classify',
    summary: 'Classify one text, or several',
    tags: ['classify'],
    requestBody: body('ClassifyRequest', { inputs: 'A fine film.' }, { inputs: ['A fine film.', 'A waste of time.'] }),
    responses: {
      200: found('The answer to a string; for an array of strings, an array of answers in the same order.', {
        anyOf: [ref('Answer'), { type: 'array', items: ref('Answer') }],
      }),
      ...errors(READING),
    },
  }),
  ...onModels('/classify/stream', {
    operationId: 'stream',
    summary: 'Classify one text, with the prediction after each chunk of it',
    tags: ['classify'],
    requestBody: body('StreamRequest', { inputs: 'A fine film.' }),
    responses: {
      200: {
        description:
          'A StreamEvent after each chunk: lines of JSON, or server-sent events where Accept asks for them. The last has "final": true.',
        content: { 'application/x-ndjson': { schema: { type: 'string' } }, 'text/event-stream': { schema: { type: 'string' } } },
      },
      ...errors(READING),
    },
  }),
  ...onModels('/classify/continue', {
    operationId: 'continue',
    summary: 'Classify a text that arrives in pieces, its state kept by the client',
    tags: ['pieces'],
    requestBody: body('ContinueRequest', { text: 'A fine fi' }),
    responses: {
      200: found('The answer to all text so far, and the state to send with the next piece.', ref('Continued')),
      ...errors([...READING, 409]),
    },
  }),
  ...onModels('/classify/ndjson', {
    operationId: 'classifyLines',
    summary: 'Classify any number of texts, one a line',
    description:
      'The body is a Line of JSON for each text, such as {"text": "A fine film.", "id": 1}; the answers leave as they are made, while the body is still being sent.',
    tags: ['classify'],
    parameters: [{ $ref: '#/components/parameters/top_k' }, { $ref: '#/components/parameters/function_to_apply' }],
    requestBody: {
      content: {
        'application/x-ndjson': {
          schema: { type: 'string' },
        },
      },
    },
    responses: {
      200: {
        description: 'A LineAnswer for each line that is not blank, in the same order. A line that cannot be answered has its error there.',
        content: { 'application/x-ndjson': { schema: { type: 'string' } } },
      },
      ...errors([404, 415, 422]),
    },
  }),
  ...onModels('/explain', {
    operationId: 'explain',
    summary: 'Tell what the answer to a text hangs on, word by word',
    tags: ['classify'],
    requestBody: body('ExplainRequest', { inputs: 'A fine film.' }, { inputs: 'A fine film.', parameters: { max_words: 1 } }),
    responses: { 200: found('The explanation.', ref('Explanation')), ...errors(READING) },
  }),
};

/** Documents that arrive in pieces, where they are kept. */
export const SESSION_PATHS: Paths = {
  ...onModels('/sessions', {
    operationId: 'beginSession',
    summary: 'Begin a document that arrives in pieces',
    tags: ['pieces'],
    responses: {
      201: {
        ...found('The session.', ref('Session')),
        headers: { location: { description: 'The address of the session.', schema: { type: 'string' } } },
        links: sessionLinks,
      },
      ...errors([404, 422]),
    },
  }),
  '/v1/sessions/{id}': {
    get: {
      operationId: 'getSession',
      summary: 'The answer to all text so far',
      tags: ['pieces'],
      parameters: [SESSION_ID],
      responses: { 200: found('The session.', ref('Session')), ...errors([404, 409]) },
    },
    delete: {
      operationId: 'endSession',
      summary: 'End the session',
      tags: ['pieces'],
      parameters: [SESSION_ID],
      responses: { 204: { description: 'It is forgotten.' }, ...errors([404]) },
    },
  },
  '/v1/sessions/{id}/text': {
    post: {
      operationId: 'appendText',
      summary: 'Append a piece of the document',
      tags: ['pieces'],
      parameters: [SESSION_ID],
      requestBody: body('PieceRequest', { text: 'A fine fi', sequence: 1 }),
      responses: { 200: found('The answer to all text so far.', ref('Session')), ...errors([...READING, 409]) },
    },
  },
};
