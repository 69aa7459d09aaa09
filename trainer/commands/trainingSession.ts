import type { RunResult, RunSettings } from '../api/run.ts';
import { createProgress, type Progress } from '../report/progress.ts';
import { printJson } from '../report/results.ts';
import type { StepReport } from '../recipe/trainingLoop.ts';

export interface SessionOptions {
  /** Print the final figures. */
  readonly json?: boolean | undefined;
}

/**
 * What all training commands do around the training: show progress, save a checkpoint at Ctrl-C and say how to go on, print the
 * final figures.
 *
 * @param label what is going on, such as `pretraining`
 */
export async function trainingSession(
  label: string,
  { json = false }: SessionOptions,
  run: (controls: Pick<RunSettings, 'signal' | 'onStep' | 'onNote'>) => Promise<RunResult>,
): Promise<void> {
  const display = new ProgressDisplay(label);
  try {
    const { out, members, interrupted } = await untilInterrupted((signal) =>
      run({ signal, onStep: (step) => display.step(step), onNote: (text) => display.note(text) }),
    );
    display.done();
    if (interrupted) {
      const steps = members.at(-1)?.steps ?? 0;
      const where = steps > 0 ? `at step ${steps}; a checkpoint is saved` : 'before the first step';
      console.error(`Stopped ${where}. Run the same command with --resume to go on.`);
      process.exitCode = 1;
      return;
    }
    const figures = members.map(({ direction, out: folder, steps, tokens, trainingLoss, measured }) => ({
      out: folder,
      direction,
      steps,
      tokens,
      trainingLoss,
      ...measured,
    }));
    if (json) await printJson(figures.length === 1 ? figures[0] : { out, members: figures });
    else console.error(`Written to ${out}`);
  } finally {
    display.done();
  }
}

/**
 * Gives a run a signal that Ctrl-C aborts. The second Ctrl-C ends the program.
 *
 * @param unit what is finished before the run stops
 */
export async function untilInterrupted<Result>(run: (signal: AbortSignal) => Promise<Result>, unit = 'this step'): Promise<Result> {
  const interruption = new AbortController();
  const interrupt = (): void => {
    process.stderr.write(`\nStopping after ${unit}…\n`);
    interruption.abort();
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    return await run(interruption.signal);
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/** Turns reports of steps into a progress line. */
export class ProgressDisplay {
  readonly #label: string;
  #started = performance.now();
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
    if (step === totalSteps) this.done(); // Another model may follow.
  }

  note(text: string): void {
    if (this.#progress === undefined) console.error(`${this.#label}  ${text}`);
    else this.#progress.note(text);
  }

  done(): void {
    this.#progress?.done();
    this.#progress = undefined;
    this.#tokens = 0;
    this.#started = performance.now();
  }
}
