/** What a job is, and where its pieces lie in the bucket. */
import * as v from 'valibot';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

const partSchema = v.strictObject({
  /** Where it begins in the input, and how long it is, in bytes. */
  offset: count,
  length: count,
  /** Its first line, counted from 1, and how many it has. */
  firstLine: count,
  lines: count,
});

const jobSchema = v.strictObject({
  id: v.string(),
  created: v.pipe(v.string(), v.isoTimestamp()),
  options: v.strictObject({
    topK: v.exactOptional(count),
    scoreFunction: v.exactOptional(v.picklist(['softmax', 'sigmoid', 'none'])),
  }),
  bytes: count,
  lines: count,
  /** What one consumer takes at a time. */
  parts: v.array(partSchema),
});

/** A job as it was taken, once and for all: what is done of it shows in the objects beside it. */
export type Job = v.InferOutput<typeof jobSchema>;

/** Consecutive lines of a job's input. */
export type JobPart = v.InferOutput<typeof partSchema>;

/** A message of the queue: one part of a job, which is looked up in the job. */
export interface PartMessage {
  readonly job: string;
  readonly part: number;
}

/** @throws v.ValiError for anything else than a job */
export const parseJob = (json: unknown): Job => v.parse(jobSchema, json);

/** Ids are made by `newJobId`; nothing else is looked up, so that no request reaches another key of the bucket. */
export const isJobId = (id: string): boolean => /^[0-9a-f]{32}$/.test(id);

/** 122 random bits: whoever knows an id was given it. */
export const newJobId = (): string => crypto.randomUUID().replaceAll('-', '');

/** Where everything of a job lies. */
export const jobPrefix = (id: string) => `jobs/${id}/`;

/** Keys of the objects of a job. Parts are padded, so that their keys are in their order. */
export const jobKeys = {
  description: (id: string) => `${jobPrefix(id)}job.json`,
  input: (id: string) => `${jobPrefix(id)}input.ndjson`,
  results: (id: string) => `${jobPrefix(id)}results/`,
  result: (id: string, part: number) => `${jobPrefix(id)}results/${padded(part)}.ndjson`,
  deadLetters: (id: string) => `${jobPrefix(id)}dead/`,
  deadLetter: (id: string, part: number) => `${jobPrefix(id)}dead/${padded(part)}.json`,
} as const;

/** The part that a key of `result` or `deadLetter` belongs to. */
export const partOfKey = (key: string): number => Number(/(\d+)\.(?:ndjson|json)$/.exec(key)?.[1] ?? Number.NaN);

const padded = (part: number) => String(part).padStart(6, '0');
