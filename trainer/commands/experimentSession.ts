import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import type { ExperimentControls, JobReport, RunRecord } from '../experiments/experiment.ts';
import { type Measure, measureOf, shown } from '../experiments/measure.ts';
import type { Task } from '../model/task.ts';
import type { StepReport } from '../recipe/trainingLoop.ts';
import { createProgress, duration, type Progress } from '../report/progress.ts';
import { chosen } from './config.ts';

/** What the experiments have as flags, and what is the command line's own business. */
interface ExperimentFlags {
  readonly multiLabel?: boolean;
  readonly regression?: boolean;
  readonly bounds?: readonly [low: number, high: number];
  readonly json?: boolean;
}

/** What of the flags is the same in the library, by another name. */
interface TaskOptions {
  readonly task: Task | undefined;
  readonly range: ExperimentFlags['bounds'] | undefined;
}

/** A command's options in the words of the library. */
export function experimentOptions<Options extends object>(
  command: CommandUnknownOpts,
): { readonly json: boolean; readonly options: Partial<Options> & TaskOptions } {
  const all = chosen<Options & ExperimentFlags>(command);
  const { json = false, multiLabel, regression, bounds }: Partial<ExperimentFlags> = all;
  const own = Object.fromEntries(Object.entries(all).filter(([name]) => !OF_THE_COMMAND.has(name))) as Partial<Options>;
  const task = multiLabel === true ? 'multiLabel' : regression === true ? 'regression' : undefined;
  return { json, options: { ...own, task, range: bounds } };
}

const OF_THE_COMMAND = new Set(['multiLabel', 'regression', 'bounds', 'json', 'config', 'device', 'precision']);

/**
 * What the commands do around an experiment: show which run of how many goes on, what it came to and how much time is left, and stop at Ctrl-C
 * with a checkpoint.
 *
 * @returns what was measured; undefined where it was interrupted
 */
export async function experimentSession<Result extends { readonly interrupted: boolean }>(
  task: Task | undefined,
  run: (controls: ExperimentControls) => Promise<Result>,
): Promise<Result | undefined> {
  const interruption = new AbortController();
  const interrupt = (): void => {
    process.stderr.write('\nStopping after this step…\n');
    interruption.abort();
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const display = new Display(measureOf(task));
  try {
    const result = await run({
      signal: interruption.signal,
      onJob: (job) => display.job(job),
      onStep: (step) => display.step(step),
      onResult: (record) => display.result(record),
      onNote: (text) => display.note(text),
    });
    display.done();
    if (!result.interrupted) return result;
    console.error('Stopped; what is finished is kept. Run the same command with --resume to go on.');
    process.exitCode = 1;
    return undefined;
  } finally {
    display.done();
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/** A run that is over sooner needs no progress of its own where lines stay. */
const QUIET_MILLISECONDS = 5000;

/** Turns reports into lines: one for each run, and the steps of the one that goes on. */
class Display {
  readonly #measure: Measure;
  #job: JobReport | undefined;
  #started = 0;
  #tokens = 0;
  #progress: Progress | undefined;

  constructor(measure: Measure) {
    this.#measure = measure;
  }

  job(job: JobReport): void {
    this.done();
    this.#job = job;
    this.#started = performance.now();
    this.#tokens = 0;
    const left = job.secondsLeft === undefined ? '' : `, about ${duration(job.secondsLeft)} left in all`;
    console.error(`${this.#place()}  ${job.title}${left}`);
  }

  step({ step, totalSteps, loss, learningRate, tokens }: StepReport): void {
    const elapsed = performance.now() - this.#started;
    this.#tokens += tokens;
    if (!process.stderr.isTTY && elapsed < QUIET_MILLISECONDS) return;
    this.#progress ??= createProgress({ label: this.#place(), totalSteps });
    this.#progress.update({ step, loss, learningRate, tokensPerSecond: this.#tokens / (elapsed / 1000) });
    if (step === totalSteps) this.done(); // A model of the other direction may follow.
  }

  result({ figures, epoch, seconds }: RunRecord): void {
    this.done();
    const value = figures[this.#measure.name];
    const kept = epoch === undefined ? '' : `, epoch ${epoch} kept`;
    if (value !== undefined)
      console.error(`${this.#place()}  ${this.#measure.label} ${shown(this.#measure, value)} (${duration(seconds)}${kept})`);
  }

  note(text: string): void {
    if (this.#progress === undefined) console.error(text);
    else this.#progress.note(text);
  }

  done(): void {
    this.#progress?.done();
    this.#progress = undefined;
  }

  #place(): string {
    return `${this.#job?.number ?? 0}/${this.#job?.of ?? 0}`;
  }
}
