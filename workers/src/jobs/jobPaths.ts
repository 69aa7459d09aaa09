/** What the description of the interface says of jobs. */
import * as v from 'valibot';

import { LINES_MEDIA_TYPE } from '../../../serve/documentLine.ts';
import { errors, found, inPath, ref, type Paths } from '../../../serve/openApi/parts.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** A job, and how far it is. */
const jobStatusSchema = v.strictObject({
  id: v.string(),
  state: v.picklist(['running', 'finished', 'incomplete']),
  created: v.pipe(v.string(), v.isoTimestamp()),
  bytes: count,
  lines: count,
  linesDone: count,
  errors: count,
  parts: count,
  partsDone: count,
  deadLetters: v.array(v.strictObject({ part: count, firstLine: count, lines: count })),
  versions: v.array(v.string()),
});
export type JobStatus = v.InferOutput<typeof jobStatusSchema>;

export const JOB_SCHEMAS = { Job: jobStatusSchema };

const JOB = { $ref: '#/components/schemas/Job' };
const ID = inPath('id', 'The id that POST /v1/jobs answered.', { type: 'string', pattern: '^[0-9a-f]{32}$' });
const LINES = { [LINES_MEDIA_TYPE]: { schema: { type: 'string' } } };
const NO_JOB = { 404: found('There is no such job, or it was deleted.', ref('Error')) };

/** Lets the tools that read the description follow a job from its beginning to its end. */
const jobLinks = Object.fromEntries(
  ['getJob', 'getJobResults', 'retryJob', 'deleteJob'].map((operationId) => [
    operationId,
    { operationId, parameters: { id: '$response.body#/id' } },
  ]),
);

export const JOB_PATHS: Paths = {
  '/v1/jobs': {
    post: {
      operationId: 'submitJob',
      summary: 'Classify any number of texts, one a line, while nobody waits',
      description: 'The body is a Line of JSON for each text, such as {"text": "A fine film.", "id": 1}.',
      tags: ['jobs'],
      parameters: [{ $ref: '#/components/parameters/top_k' }, { $ref: '#/components/parameters/function_to_apply' }],
      requestBody: { required: true, content: LINES },
      responses: {
        202: {
          ...found('The job: it is stored, and in the queue.', JOB),
          headers: { location: { description: 'The address of the job.', schema: { type: 'string' } } },
          links: jobLinks,
        },
        ...errors([400, 413, 415, 422]),
      },
    },
  },
  '/v1/jobs/{id}': {
    get: {
      operationId: 'getJob',
      summary: 'How far a job is',
      tags: ['jobs'],
      parameters: [ID],
      responses: { 200: found('The job, with "retry-after" while it is running.', JOB), ...NO_JOB },
    },
    delete: {
      operationId: 'deleteJob',
      summary: 'Forget everything of a job',
      tags: ['jobs'],
      parameters: [ID],
      responses: { 204: { description: 'It is forgotten.' }, ...NO_JOB },
    },
  },
  '/v1/jobs/{id}/results': {
    get: {
      operationId: 'getJobResults',
      summary: 'The answers, in the order of the lines',
      tags: ['jobs'],
      parameters: [ID],
      responses: {
        200: { description: 'A LineAnswer for each line that is not blank.', content: LINES },
        ...NO_JOB,
        409: found('The job is running. "retry-after" says when to ask again.', ref('Error')),
      },
    },
  },
  '/v1/jobs/{id}/retry': {
    post: {
      operationId: 'retryJob',
      summary: 'Another attempt at the lines that were given up',
      tags: ['jobs'],
      parameters: [ID],
      responses: { 202: found('The job.', JOB), ...NO_JOB },
    },
  },
};
