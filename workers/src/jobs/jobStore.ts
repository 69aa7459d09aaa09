import type { AnswerOptions } from '../../../serve/answers.ts';
import { isJobId, jobKeys, jobPrefix, newJobId, parseJob, partOfKey, type Job, type JobPart, type PartMessage } from './job.ts';
import { storeInput } from './jobInput.ts';

/** The most messages that a queue takes at a time, and objects that a bucket deletes at a time. */
const QUEUE_BATCH = 100;
const DELETE_BATCH = 1_000;

/** The answers to one part, as they are stored. */
export interface PartResult {
  /** NDJSON. */
  readonly body: string;
  /** Lines that were answered with an error. */
  readonly errors: number;
  /** Of the model that answered. */
  readonly version: string;
}

/** Lines that could not be answered, after all attempts. */
export interface DeadLetter {
  readonly part: number;
  readonly firstLine: number;
  readonly lines: number;
}

/** How far a job is. */
export interface JobProgress {
  /** `incomplete`: nothing more will happen unless somebody asks for another attempt at the dead letters. */
  readonly state: 'running' | 'finished' | 'incomplete';
  readonly linesDone: number;
  readonly errors: number;
  readonly partsDone: number;
  readonly deadLetters: readonly DeadLetter[];
  /** Versions of the model that have answered: several, where one was deployed meanwhile. */
  readonly versions: readonly string[];
}

/**
 * Jobs in a bucket, whose parts go through a queue. An object is written once and says one thing: the job, its input, a part's results, a part
 * that is given up. So whatever is delivered twice is done once: it has the same key.
 */
export class JobStore {
  readonly #bucket: R2Bucket;
  readonly #queue: Queue<PartMessage>;

  constructor(bucket: R2Bucket, queue: Queue<PartMessage>) {
    this.#bucket = bucket;
    this.#queue = queue;
  }

  /**
   * Takes a job: it is there, and its parts are in the queue, or it never was.
   *
   * @returns undefined when there are no lines
   */
  async create(body: ReadableStream<Uint8Array>, { topK, scoreFunction }: AnswerOptions): Promise<Job | undefined> {
    const id = newJobId();
    try {
      const parts = await storeInput(this.#bucket, jobKeys.input(id), body);
      const last = parts.at(-1);
      if (last === undefined) return undefined;
      const options = { ...(topK !== undefined && { topK }), ...(scoreFunction !== undefined && { scoreFunction }) };
      const job: Job = {
        id,
        created: new Date().toISOString(),
        options,
        bytes: last.offset + last.length,
        lines: last.firstLine + last.lines - 1,
        parts,
      };
      await this.#bucket.put(jobKeys.description(id), JSON.stringify(job));
      await this.#send(
        id,
        parts.map((_, part) => part),
      );
      return job;
    } catch (error) {
      // Without its description, parts that are in the queue already are let go.
      await this.delete(id).catch(() => {});
      throw error;
    }
  }

  /** @returns undefined when there is no such job */
  async find(id: string): Promise<Job | undefined> {
    if (!isJobId(id)) return undefined;
    const object = await this.#bucket.get(jobKeys.description(id));
    return object === null ? undefined : parseJob(await object.json());
  }

  async progress({ id, parts }: Job): Promise<JobProgress> {
    const results = await this.#list(jobKeys.results(id));
    const done = new Set(results.map(({ key }) => partOfKey(key)));
    // A part that was done after all is none of the dead ones.
    const dead = (await this.#list(jobKeys.deadLetters(id))).map(({ key }) => partOfKey(key)).filter((part) => !done.has(part));
    const deadLetters = dead.flatMap((part): DeadLetter[] => {
      const { firstLine, lines } = parts[part] ?? {};
      return firstLine === undefined || lines === undefined ? [] : [{ part, firstLine, lines }];
    });
    return {
      state: done.size === parts.length ? 'finished' : done.size + dead.length === parts.length ? 'incomplete' : 'running',
      linesDone: parts.reduce((sum, { lines }, part) => sum + (done.has(part) ? lines : 0), 0),
      errors: results.reduce((sum, { customMetadata }) => sum + Number(customMetadata?.['errors'] ?? 0), 0),
      partsDone: done.size,
      deadLetters,
      versions: [...new Set(results.flatMap(({ customMetadata }) => customMetadata?.['version'] ?? []))],
    };
  }

  /** The bytes of a part's lines. */
  async input({ id }: Job, { offset, length }: JobPart): Promise<ReadableStream<Uint8Array>> {
    const object = await this.#bucket.get(jobKeys.input(id), { range: { offset, length } });
    if (object === null) throw new Error(`The input of job ${id} is gone.`);
    return object.body;
  }

  async isDone({ id }: Job, part: number): Promise<boolean> {
    return (await this.#bucket.head(jobKeys.result(id, part))) !== null;
  }

  async putResult({ id }: Job, part: number, { body, errors, version }: PartResult): Promise<void> {
    await this.#bucket.put(jobKeys.result(id, part), body, { customMetadata: { errors: String(errors), version } });
  }

  /** @returns undefined when there are none */
  async result({ id }: Job, part: number): Promise<ReadableStream<Uint8Array> | undefined> {
    return (await this.#bucket.get(jobKeys.result(id, part)))?.body;
  }

  async putDeadLetter({ id }: Job, part: number): Promise<void> {
    await this.#bucket.put(jobKeys.deadLetter(id, part), JSON.stringify({ part, at: new Date().toISOString() }));
  }

  /** Puts dead letters into the queue again. */
  async retry({ id }: Job, deadLetters: readonly DeadLetter[]): Promise<void> {
    const parts = deadLetters.map(({ part }) => part);
    await this.#deleteAll(parts.map((part) => jobKeys.deadLetter(id, part)));
    try {
      await this.#send(id, parts);
    } catch (error) {
      for (const part of parts) await this.#bucket.put(jobKeys.deadLetter(id, part), JSON.stringify({ part }));
      throw error;
    }
  }

  /** Deletes everything of a job. Parts that are still in the queue are let go. */
  async delete(id: string): Promise<void> {
    await this.#bucket.delete(jobKeys.description(id));
    await this.#deleteAll((await this.#list(jobPrefix(id))).map(({ key }) => key));
  }

  async #send(job: string, parts: readonly number[]): Promise<void> {
    for (let start = 0; start < parts.length; start += QUEUE_BATCH) {
      await this.#queue.sendBatch(parts.slice(start, start + QUEUE_BATCH).map((part) => ({ body: { job, part } })));
    }
  }

  async #list(prefix: string): Promise<R2Object[]> {
    const objects: R2Object[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.#bucket.list({ prefix, include: ['customMetadata'], ...(cursor !== undefined && { cursor }) });
      objects.push(...page.objects);
      cursor = page.truncated ? page.cursor : undefined;
    } while (cursor !== undefined);
    return objects;
  }

  async #deleteAll(keys: readonly string[]): Promise<void> {
    for (let start = 0; start < keys.length; start += DELETE_BATCH) await this.#bucket.delete(keys.slice(start, start + DELETE_BATCH));
  }
}
