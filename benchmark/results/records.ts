import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** One measurement on a set: a classifier was trained on one draw of labels, and judged on the set's test part. */
export interface ResultRecord {
  /** Name of the set's folder. */
  readonly set: string;
  readonly method: string;
  /** The file that was trained on: `labelled.jsonl` for all labels, `labels-100-1.jsonl` for the first draw of 100. */
  readonly train: string;
  /** Documents in it. */
  readonly labels: number;
  /** Share of the test documents that got their label. */
  readonly accuracy: number;
  /** Test documents. */
  readonly documents: number;
  /** What training took, without the language model's fine-tuning. Of a run that was stopped in between nobody knows. */
  readonly seconds?: number | undefined;
  readonly machine: string;
  readonly date: string;
  /** Of ours alone. */
  readonly seed?: number;
  readonly from?: string;
  /** Which models of `from` were asked for. */
  readonly direction?: string | undefined;
  /** Every choice that is not the recipe's own. */
  readonly settings?: unknown;
  readonly command: string;
}

/** What the baselines write, and what our runs do: a line for each measurement. */
export const RECORD_FILES = ['baselines.jsonl', 'ours.jsonl'] as const;

/** The measurements in a file of them; none where it is not there. */
export async function readRecords(path: string): Promise<ResultRecord[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as ResultRecord]));
}

/** All measurements on a set. */
export async function recordsOf(folder: string): Promise<ResultRecord[]> {
  return (await Promise.all(RECORD_FILES.map((file) => readRecords(join(folder, file))))).flat();
}

/** Keeps a measurement. */
export async function keepRecord(path: string, record: ResultRecord): Promise<void> {
  await appendFile(path, `${JSON.stringify(record)}\n`);
}
