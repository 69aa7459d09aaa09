import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { decisions } from '../api/run.ts';
import { writeFileAtomically } from '../checkpoint/atomicFile.ts';
import { isPair, PAIR } from '../checkpoint/modelFolder.ts';
import type { StepReport } from '../recipe/trainingLoop.ts';
import { inWords } from '../report/words.ts';
import { UserError } from '../../text/errors.ts';

/** What a finished run of an experiment leaves in results.jsonl. */
export interface RunRecord {
  /** Its name, and that of its folder in `runs`. */
  readonly run: string;
  readonly seed: number;
  /** Documents that it was trained on. */
  readonly labels: number;
  /** What was measured on the test part. */
  readonly figures: Readonly<Record<string, number>>;
  /** The epoch whose model was kept, where that was not the last one. */
  readonly epoch?: number;
  readonly steps: number;
  /** Of the session that ended it. */
  readonly seconds: number;
}

const CONFIG_FILE = 'config.json';
const RESULTS_FILE = 'results.jsonl';

/** Decisions that may change from one session to the next: they add runs, or leave some out, and change none. */
const MAY_CHANGE = new Set(['labels', 'scratchLabels', 'seeds', 'ways', 'rows', 'keepModels']);

/**
 * The folder of an experiment: config.json (every decision), `data` (its parts), `models` (language models), `runs` (a folder for each classifier)
 * and results.jsonl (what came out, a line for each run that is finished).
 */
export class ExperimentFolder {
  readonly path: string;
  readonly #isNew: boolean;
  readonly #results: Map<string, RunRecord>;

  private constructor(path: string, isNew: boolean, results: Map<string, RunRecord>) {
    this.path = path;
    this.#isNew = isNew;
    this.#results = results;
  }

  /**
   * Begins an experiment, or goes on with one.
   *
   * @param config its decisions, defaults included
   * @throws UserError where the folder holds an experiment and `resume` is not given, or one with other decisions, or something else
   */
  static async open(path: string, config: object, resume: boolean): Promise<ExperimentFolder> {
    const before = await readFile(join(path, CONFIG_FILE), 'utf8').catch(() => undefined);
    if (before !== undefined && !resume) {
      throw new UserError(`${path} holds an earlier experiment. Add --resume to go on with it, or choose another --out.`);
    }
    if (before === undefined && (await namesIn(path)).length > 0) {
      throw new UserError(`${path} is not empty and holds no experiment. Choose another --out.`);
    }
    const now = JSON.parse(JSON.stringify(decisions(config))) as Record<string, unknown>;
    if (before !== undefined) refuseChanges(JSON.parse(before) as Record<string, unknown>, now, path);
    await mkdir(path, { recursive: true });
    await writeText(join(path, CONFIG_FILE), `${JSON.stringify(now, null, 2)}\n`);
    return new ExperimentFolder(path, before === undefined, await readResults(join(path, RESULTS_FILE)));
  }

  /**
   * Does what must succeed before anything is trained. Where it fails, a new experiment leaves nothing behind, so that it can be begun again with
   * the mistake corrected.
   */
  async prepare<Result>(preparation: () => Promise<Result>): Promise<Result> {
    try {
      return await preparation();
    } catch (error) {
      if (this.#isNew) for (const path of [join(this.path, CONFIG_FILE), this.data]) await rm(path, { recursive: true, force: true });
      throw error;
    }
  }

  get data(): string {
    return join(this.path, 'data');
  }

  model(name: string): string {
    return join(this.path, 'models', name);
  }

  run(name: string): string {
    return join(this.path, 'runs', name);
  }

  result(run: string): RunRecord | undefined {
    return this.#results.get(run);
  }

  /** Keeps what a run came to, for good. */
  async keep(record: RunRecord): Promise<void> {
    this.#results.set(record.run, record);
    await writeText(join(this.path, RESULTS_FILE), [...this.#results.values()].map((each) => `${JSON.stringify(each)}\n`).join(''));
  }

  /** Writes one of the experiment's files. */
  async write(name: string, text: string): Promise<string> {
    const path = join(this.path, name);
    await writeText(path, text);
    return path;
  }
}

async function readResults(path: string): Promise<Map<string, RunRecord>> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const records = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as RunRecord]));
  return new Map(records.map((record) => [record.run, record]));
}

function refuseChanges(before: Record<string, unknown>, now: Record<string, unknown>, path: string): void {
  for (const name of new Set([...Object.keys(before), ...Object.keys(now)])) {
    if (MAY_CHANGE.has(name) || JSON.stringify(before[name]) === JSON.stringify(now[name])) continue;
    const [was, is] = [before[name], now[name]].map((value) => (value === undefined ? 'not given' : JSON.stringify(value)));
    throw new UserError(
      `Cannot resume ${path}: ${inWords(name)} was ${was} when the experiment began and is ${is} now. Give the same, or another --out to begin anew.`,
    );
  }
}

async function writeText(path: string, text: string): Promise<void> {
  await writeFileAtomically(path, [new TextEncoder().encode(text)]);
}

/** What lies in a model folder besides the records of its training. */
const WEIGHTS = ['model.json', 'model.safetensors', 'vocabulary.json', 'README.md', 'corpus', 'checkpoints'];

/** Removes a model, or a pair of them, but leaves settings, metrics and report of its training. */
export async function removeModel(folder: string): Promise<void> {
  await removeFrom(folder, WEIGHTS);
}

/** Removes what resuming the training of a finished model would need. */
export async function removeCheckpoints(folder: string): Promise<void> {
  await removeFrom(folder, ['checkpoints', 'corpus']);
}

async function removeFrom(folder: string, names: readonly string[]): Promise<void> {
  for (const each of [folder, ...PAIR.map((direction) => join(folder, direction))]) {
    for (const name of names) await rm(join(each, name), { recursive: true, force: true });
  }
}

/** Whether a folder holds a finished model, or a pair of them. */
export async function isFinished(folder: string): Promise<boolean> {
  return (await isPair(folder)) || (await namesIn(folder)).includes('model.json');
}

/** What lies in a folder; nothing where there is none. */
async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((): string[] => []);
}

/** What an experiment tells whoever waits for it. */
export interface ExperimentControls {
  /** Aborting saves a checkpoint and stops. */
  readonly signal?: AbortSignal | undefined;
  readonly onJob?: ((job: JobReport) => void) | undefined;
  /** A run that is finished, with its figures. */
  readonly onResult?: ((record: RunRecord) => void) | undefined;
  readonly onStep?: ((step: StepReport) => void) | undefined;
  readonly onNote?: ((text: string) => void) | undefined;
}

/** A job that begins. */
export interface JobReport {
  /** Counts from 1. */
  readonly number: number;
  readonly of: number;
  readonly title: string;
  /** An estimate from the jobs so far: undefined before the first one of this session is done. */
  readonly secondsLeft: number | undefined;
}

/** A piece of work: a language model to fine-tune, or a classifier to train and to judge. */
export interface Job {
  /** What is going on, such as `supervised, 100 labels, seed 2`. */
  readonly title: string;
  /** How long it takes, in any unit that all jobs have in common. */
  readonly work: number;
  readonly isDone: () => boolean | Promise<boolean>;
  /** @returns false where it was interrupted */
  readonly run: (controls: Pick<ExperimentControls, 'signal' | 'onStep'>) => Promise<boolean>;
}

/**
 * Does the jobs that are not done yet, one after the other.
 *
 * @returns false where it was interrupted
 */
export async function runJobs(jobs: readonly Job[], { signal, onStep, onJob }: ExperimentControls): Promise<boolean> {
  const started = performance.now();
  let workDone = 0;
  for (const [index, job] of jobs.entries()) {
    if (await job.isDone()) continue;
    if (signal?.aborted === true) return false;
    const workLeft = await workOf(jobs.slice(index));
    const secondsLeft = workDone === 0 ? undefined : ((performance.now() - started) / 1000 / workDone) * workLeft;
    onJob?.({ number: index + 1, of: jobs.length, title: job.title, secondsLeft });
    if (!(await job.run({ signal, onStep }))) return false;
    workDone += job.work;
  }
  return true;
}

async function workOf(jobs: readonly Job[]): Promise<number> {
  let work = 0;
  for (const job of jobs) if (!(await job.isDone())) work += job.work;
  return work;
}
