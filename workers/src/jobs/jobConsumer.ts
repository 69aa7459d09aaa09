import { answerOf } from '../../../serve/answers.ts';
import { bodyLines, type BodyLine } from '../../../serve/bodyLines.ts';
import type { Classifier } from '../../../serve/classifier.ts';
import { parseLine } from '../../../serve/documentLine.ts';
import { errorBody, HttpError } from '../../../serve/errors.ts';
import { inOrder } from '../../../serve/inOrder.ts';
import type { Limits } from '../../../serve/limits.ts';
import { whenThereIsRoom } from '../../../serve/roomInQueue.ts';
import type { Job, JobPart, PartMessage } from './job.ts';
import type { JobStore, PartResult } from './jobStore.ts';

/** Lines that are answered at a time: enough to fill graph calls, and little of the queue that requests share. */
const LINES_AT_ONCE = 16;

/** Statuses from here on say that nothing is wrong with the document, such as that there was no memory left for it. */
const SERVER_ERRORS = 500;

/** How often a line looks whether there is room for it in a full queue. */
const ROOM_MILLISECONDS = 100;

/** How long a part waits for its next attempt, doubled each time, and at most. */
const FIRST_DELAY_SECONDS = 5;
const MAX_DELAY_SECONDS = 300;

/** What parts are answered with. */
export interface JobTools {
  readonly store: JobStore;
  readonly classifier: () => Promise<Classifier>;
  readonly limits: Pick<Limits, 'maxBodyBytes' | 'maxTextLength'>;
}

/**
 * Answers the parts that the queue delivers, each at least once: one that has results already, or whose job is gone, is let go. A part that fails is
 * delivered again later, and in the end becomes a dead letter.
 */
export async function consumeParts(batch: MessageBatch<PartMessage>, tools: JobTools): Promise<void> {
  for (const message of batch.messages) {
    try {
      await answerPart(message.body, tools);
      message.ack();
    } catch (error) {
      const { job, part } = message.body;
      console.error(`Part ${part} of job ${job} failed in attempt ${message.attempts}.`, error);
      message.retry({ delaySeconds: Math.min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** (message.attempts - 1)) });
    }
  }
}

/** Notes parts that no attempt could answer, so that the job's progress tells of them. */
export async function consumeDeadLetters(batch: MessageBatch<PartMessage>, { store }: Pick<JobTools, 'store'>): Promise<void> {
  for (const message of batch.messages) {
    try {
      const { job: id, part } = message.body;
      const job = await store.find(id);
      if (job?.parts[part] !== undefined && !(await store.isDone(job, part))) await store.putDeadLetter(job, part);
      message.ack();
    } catch (error) {
      console.error('A dead letter could not be noted.', error);
      message.retry({ delaySeconds: MAX_DELAY_SECONDS });
    }
  }
}

async function answerPart({ job: id, part }: PartMessage, { store, classifier, limits }: JobTools): Promise<void> {
  const job = await store.find(id);
  const lines = job?.parts[part];
  if (job === undefined || lines === undefined || (await store.isDone(job, part))) return;
  await store.putResult(job, part, await answerLines(job, lines, await store.input(job, lines), await classifier(), limits));
}

/** The answers to a part's lines, in their order. What is wrong with a line is its answer; what is wrong here fails the part. */
async function answerLines(
  { options }: Job,
  { firstLine }: JobPart,
  input: ReadableStream<Uint8Array>,
  classifier: Classifier,
  limits: JobTools['limits'],
): Promise<PartResult> {
  const reader = input.getReader();
  const answer = async ({ number, bytes }: BodyLine): Promise<object | undefined> => {
    const line = firstLine + number - 1;
    try {
      const document = parseLine(bytes, line, limits);
      if (document === undefined) return undefined;
      const { text, id } = document;
      // Requests may have filled the isolate's queue, and a part has a quarter of an hour.
      const [logits = []] = await whenThereIsRoom(() => classifier.classify([text]), { milliseconds: ROOM_MILLISECONDS });
      return { line, ...(id !== undefined && { id }), answer: answerOf(classifier.bundle, logits, options) };
    } catch (error) {
      if (error instanceof HttpError && error.status < SERVER_ERRORS) return { line, ...errorBody(error.code, error.message) };
      throw error;
    }
  };
  const lines = bodyLines(async () => (await reader.read()).value, limits.maxBodyBytes);
  const work = (line: BodyLine) => answer(line).then(...settled<object | undefined>());
  let body = '';
  let errors = 0;
  try {
    for await (const result of inOrder(lines, { atOnce: LINES_AT_ONCE }, work)) {
      if ('error' in result) throw result.error;
      if (result.value === undefined) continue;
      if ('error' in result.value) errors += 1;
      body += `${JSON.stringify(result.value)}\n`;
    }
  } finally {
    await reader.cancel().catch(() => {}); // it may have ended already
  }
  return { body, errors, version: classifier.bundle.version };
}

/** For `then`: a promise that always tells what came of it. */
function settled<Value>(): [(value: Value) => { readonly value: Value }, (error: unknown) => { readonly error: unknown }] {
  return [(value) => ({ value }), (error) => ({ error })];
}
