import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCheckpoint } from '../checkpoint/checkpoint.ts';
import { createProgress, type Progress } from '../report/progress.ts';
import { printJson } from '../report/results.ts';
import { CHECKPOINT_MINUTES } from '../recipe/defaults.ts';
import { RunFolder } from '../recipe/runFolder.ts';
import type { StepReport, TrainingOptions, TrainingOutcome } from '../recipe/trainingLoop.ts';
import { UserError } from '../../text/errors.ts';
import type { Workload } from '../engine/memory.ts';
import { deviceMemory, isOutOfMemory, outOfMemory } from './outOfMemory.ts';

/** Steps between two lines of metrics: often enough to see a curve, seldom enough that reading the loss costs nothing. */
const RECORD_EVERY = 10;

export interface SessionOptions {
  readonly out: string;
  readonly resume?: boolean | undefined;
  readonly json?: boolean | undefined;
  readonly checkpointMinutes?: number | undefined;
  /** Where checkpoints go, if not in `out`. */
  readonly checkpoints?: string | undefined;
  readonly recordEvery?: number | undefined;
  /** Items of a batch. */
  readonly batch: number;
}

/**
 * What all training commands do around the training: show progress, save a checkpoint at Ctrl-C and say how to go on, print the
 * final figures.
 *
 * @param label what is going on, such as `pretraining`
 * @param workload what a step computes on, for whoever has too little memory
 * @throws UserError where `out` holds an earlier run and `--resume` is not given, or a model that is not of this run
 */
export async function trainingSession(
  label: string,
  {
    out,
    resume = false,
    json = false,
    checkpoints,
    checkpointMinutes = CHECKPOINT_MINUTES,
    recordEvery = RECORD_EVERY,
    batch,
  }: SessionOptions,
  workload: Workload,
  train: (options: Omit<TrainingOptions, 'run' | 'config'>) => Promise<TrainingOutcome>,
): Promise<void> {
  const begun = await hasCheckpoint(new RunFolder(out, checkpoints).checkpoints);
  if (begun && !resume) {
    throw new UserError(`${out} holds an earlier run. Add --resume to go on with it, or choose another --out.`);
  }
  if (!begun && (await exists(join(out, 'model.json')))) {
    throw new UserError(`${out} holds a model, which would be overwritten. Choose another --out.`);
  }
  const interruption = new AbortController();
  const interrupt = (): void => {
    process.stderr.write('\nStopping after this step…\n');
    interruption.abort();
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const display = new Display(label);
  try {
    const outcome = await train({
      resume,
      recordEvery,
      checkpointEvery: checkpointMinutes * 60_000,
      signal: interruption.signal,
      onStep: (step) => display.step(step),
      onNote: (text) => display.note(text),
    });
    display.done();
    if (outcome.interrupted) {
      console.error(`Stopped at step ${outcome.steps}; a checkpoint is saved. Run the same command with --resume to go on.`);
      process.exitCode = 1;
      return;
    }
    const { steps, tokens, trainingLoss, measured } = outcome;
    if (json) await printJson({ out, steps, tokens, trainingLoss, ...measured });
    else console.error(`Written to ${out}`);
  } catch (error) {
    if (!isOutOfMemory(error)) throw error;
    display.done();
    throw outOfMemory(await deviceMemory(), workload, batch);
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Turns reports of steps into a progress line. */
class Display {
  readonly #label: string;
  readonly #started = performance.now();
  #progress: Progress | undefined;
  #tokens = 0;

  constructor(label: string) {
    this.#label = label;
  }

  step({ step, totalSteps, loss, learningRate, tokens }: StepReport): void {
    this.#progress ??= createProgress({ label: this.#label, totalSteps });
    this.#tokens += tokens;
    const tokensPerSecond = this.#tokens / ((performance.now() - this.#started) / 1000);
    this.#progress.update({ step, learningRate, tokensPerSecond, ...(loss !== undefined && { loss }) });
  }

  note(text: string): void {
    if (this.#progress === undefined) console.error(`${this.#label}  ${text}`);
    else this.#progress.note(text);
  }

  done(): void {
    this.#progress?.done();
  }
}
