/** The addresses of the Open Inference Protocol. */
import {
  body,
  errors,
  type ErrorStatus,
  found,
  MODEL_VERSION,
  NAME,
  type Operation,
  type Paths,
  READING,
  ref,
  type SchemaName,
} from './parts.ts';

const TAGS = ['Open Inference Protocol'];
const INPUTS = [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['A fine film.'] }];
const WHOLE = { inputs: INPUTS };
const SEQUENCE = { parameters: { sequence_id: 7, sequence_start: true, sequence_end: true }, inputs: INPUTS };

const refused = (statuses: readonly ErrorStatus[]) => errors(statuses, 'InferenceError');

function get(
  operationId: string,
  summary: string,
  schema: SchemaName,
  statuses: readonly ErrorStatus[],
  parameters: object[] = [],
): Operation {
  return { operationId, summary, tags: TAGS, parameters, responses: { 200: found(`${summary}.`, ref(schema)), ...refused(statuses) } };
}

/** Asked by machines that have no key, and answered while the server stops. */
export const INFERENCE_HEALTH_PATHS: Paths = {
  '/v2/health/live': { get: get('live', 'Whether the server runs', 'Live', []) },
  '/v2/health/ready': { get: get('ready', 'Whether the server takes requests', 'Ready', [503]) },
};

const models = [
  ['/v2/models/{name}', 'OfModel', [NAME]],
  ['/v2/models/{name}/versions/{version}', 'OfVersion', [NAME, MODEL_VERSION]],
] as const;

export const INFERENCE_PATHS: Paths = {
  '/v2': { get: get('serverMetadata', 'The server and its version', 'ServerMetadata', []) },
  ...(Object.fromEntries(
    models.flatMap(([path, suffix, parameters]) => [
      [path, { get: get(`metadata${suffix}`, 'Inputs and outputs of a model', 'ModelMetadata', [404], [...parameters]) }],
      [`${path}/ready`, { get: get(`ready${suffix}`, 'Whether a model takes requests', 'ModelReady', [404], [...parameters]) }],
      [
        `${path}/infer`,
        {
          post: {
            operationId: `infer${suffix}`,
            summary: 'Classify texts, or the next piece of a sequence',
            tags: TAGS,
            parameters,
            requestBody: body('InferRequest', WHOLE, SEQUENCE),
            responses: { 200: found('The outputs.', ref('InferResponse')), ...refused([...READING, 409]) },
          },
        },
      ],
    ]),
  ) as Paths),
};
