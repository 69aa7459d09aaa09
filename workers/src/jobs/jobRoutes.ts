import { Hono, type Context } from 'hono';

import type { Bundle } from '../../../export/bundle.ts';
import { answerOptions, LINES_MEDIA_TYPE, requireLines } from '../../../serve/documentLine.ts';
import { errorBody, HttpError } from '../../../serve/errors.ts';
import type { FurtherRoutes } from '../../../serve/openApi/parts.ts';
import type { AppEnv } from '../../../serve/service.ts';
import type { Job } from './job.ts';
import { JOB_PATHS, JOB_SCHEMAS, type JobStatus } from './jobPaths.ts';
import type { DeadLetter, JobProgress, JobStore } from './jobStore.ts';

/** When to ask for a running job again. */
const POLL_SECONDS = 10;

/**
 * Bulk jobs: any number of documents that nobody waits for.
 *
 * - `POST /v1/jobs` with NDJSON, a line `{"text": "…"}` with an `id` if need be: 202 with the job, once it is stored and in the queue
 * - `GET /v1/jobs/{id}`: how far it is, and which lines were given up
 * - `GET /v1/jobs/{id}/results`: NDJSON in the order of the lines, once every part is done or given up
 * - `POST /v1/jobs/{id}/retry`: another attempt at what was given up
 * - `DELETE /v1/jobs/{id}`: forgets everything of it
 */
export function jobRoutes(store: JobStore, task: Bundle['task']): FurtherRoutes {
  const route = new Hono<AppEnv>();
  const requireJob = async (context: Context<AppEnv>): Promise<Job> => {
    const job = await store.find(context.req.param('id') ?? '');
    if (job === undefined) throw new HttpError(404, 'job_not_found', 'There is no such job, or it was deleted.');
    return job;
  };
  route.post('/v1/jobs', async (context) => {
    const { headers, body } = context.req.raw;
    requireLines(headers);
    const options = answerOptions(context, task);
    const job = body === null ? undefined : await store.create(body, options);
    if (job === undefined)
      throw new HttpError(400, 'empty_input', 'The body is empty. Send one JSON object a line, such as {"text": "…"}.');
    context.var.notes.texts = job.lines;
    const started = { state: 'running', linesDone: 0, errors: 0, partsDone: 0, deadLetters: [], versions: [] } as const;
    return context.json(describe(job, started), 202, { location: `/v1/jobs/${job.id}` });
  });
  route.get('/v1/jobs/:id', async (context) => {
    const job = await requireJob(context);
    const progress = await store.progress(job);
    return context.json(describe(job, progress), 200, progress.state === 'running' ? { 'retry-after': String(POLL_SECONDS) } : {});
  });
  route.get('/v1/jobs/:id/results', async (context) => {
    const job = await requireJob(context);
    const { state, deadLetters } = await store.progress(job);
    if (state === 'running') {
      const message = `The job is not finished. GET /v1/jobs/${job.id} tells how far it is.`;
      throw new HttpError(409, 'job_running', message, { 'retry-after': String(POLL_SECONDS) });
    }
    return context.body(resultStream(store, job, deadLetters), 200, { 'content-type': LINES_MEDIA_TYPE });
  });
  route.post('/v1/jobs/:id/retry', async (context) => {
    const job = await requireJob(context);
    await store.retry(job, (await store.progress(job)).deadLetters);
    return context.json(describe(job, await store.progress(job)), 202);
  });
  route.delete('/v1/jobs/:id', async (context) => {
    await store.delete((await requireJob(context)).id);
    return context.body(null, 204);
  });
  return { route, paths: JOB_PATHS, schemas: JOB_SCHEMAS };
}

/** The same addresses in a deployment without a bucket and a queue: they say so, and the description lists none of them. */
export function jobRoutesDisabled(): FurtherRoutes {
  const route = new Hono<AppEnv>();
  for (const path of ['/v1/jobs', '/v1/jobs/*']) {
    route.all(path, () => {
      throw new HttpError(501, 'not_enabled', 'This deployment takes no jobs. `ulmfit deploy <bundle> --jobs` makes one that does.');
    });
  }
  return { route, paths: {}, schemas: {} };
}

function describe(
  { id, created, bytes, lines, parts }: Job,
  { state, linesDone, errors, partsDone, deadLetters, versions }: JobProgress,
): JobStatus {
  const lists = { deadLetters: [...deadLetters], versions: [...versions] };
  return { id, state, created, bytes, lines, linesDone, errors, parts: parts.length, partsDone, ...lists };
}

/** All results one after the other, read from the bucket as fast as they are taken. */
function resultStream(store: JobStore, job: Job, deadLetters: readonly DeadLetter[]): ReadableStream<Uint8Array> {
  const pieces = resultPieces(store, job, new Map(deadLetters.map((letter) => [letter.part, letter])));
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { done, value } = await pieces.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    cancel: async () => {
      await pieces.return(undefined);
    },
  });
}

async function* resultPieces(store: JobStore, job: Job, dead: ReadonlyMap<number, DeadLetter>): AsyncGenerator<Uint8Array> {
  for (const part of job.parts.keys()) {
    const letter = dead.get(part);
    if (letter !== undefined) {
      yield new TextEncoder().encode(deadLines(letter));
      continue;
    }
    const reader = (await store.result(job, part))?.getReader();
    if (reader === undefined) throw new Error(`The results of part ${part} of job ${job.id} are gone.`);
    for (let { value, done } = await reader.read(); !done; { value, done } = await reader.read()) if (value !== undefined) yield value;
  }
}

/** What stands in the results for lines that were given up. */
function deadLines({ firstLine, lines }: DeadLetter): string {
  const error = errorBody('internal', 'This line was not answered in any attempt. POST …/retry asks for another one.');
  return Array.from({ length: lines }, (_, index) => `${JSON.stringify({ line: firstLine + index, ...error })}\n`).join('');
}
