import { createStatusLine, type StatusLine, type StatusLineOptions } from './statusLine.ts';

export interface ProgressOptions extends StatusLineOptions {
  /** Undefined where the end is not known. */
  readonly totalSteps?: number | undefined;
}

/** How far a run has come. What is left out stays as it was. */
export interface ProgressUpdate {
  /** Steps done since the run began, those before a resumption included. */
  readonly step: number;
  readonly loss?: number | undefined;
  readonly learningRate?: number | undefined;
  readonly tokensPerSecond?: number | undefined;
}

export interface Progress extends Pick<StatusLine, 'note' | 'done'> {
  update(update: ProgressUpdate): void;
}

/** fastai's smoothing of the loss: an exponential mean with this memory, corrected for its start. */
const LOSS_MEMORY = 0.98;

/**
 * Shows how a long command goes on: step, percent, smoothed loss, learning rate, tokens a second, time left. On a terminal that is one
 * line, drawn anew; elsewhere a line every five seconds.
 *
 * @example
 * const progress = createProgress({ label: 'pretraining', totalSteps: 1000 });
 * progress.update({ step: 1, loss: 9.2, learningRate: 0.004, tokensPerSecond: 2500 });
 * progress.done();
 */
export function createProgress(options: ProgressOptions): Progress {
  const { totalSteps, now = Date.now } = options;
  const line = createStatusLine(options);
  const estimate = new TimeLeft(now, totalSteps);
  const loss = new SmoothedLoss();
  let latest: ProgressUpdate | undefined;
  const text = () => latest && describe({ ...latest, loss: loss.value }, totalSteps, estimate.seconds(latest.step));

  return {
    update(update) {
      latest = { ...latest, ...definedOf(update) };
      if (update.loss !== undefined) loss.add(update.loss);
      estimate.start(update.step);
      line.update(text);
    },
    note: line.note,
    done: line.done,
  };
}

function definedOf(update: ProgressUpdate): ProgressUpdate {
  return { step: update.step, ...Object.fromEntries(Object.entries(update).filter(([, value]) => value !== undefined)) };
}

function describe(
  { step, loss, learningRate, tokensPerSecond }: ProgressUpdate,
  totalSteps: number | undefined,
  secondsLeft: number | undefined,
): string {
  const parts = [totalSteps === undefined ? `step ${step}` : `step ${step}/${totalSteps}  ${percent(step, totalSteps)}`];
  if (loss !== undefined) parts.push(`loss ${loss.toFixed(4)}`);
  if (learningRate !== undefined) parts.push(`rate ${learningRate.toExponential(2)}`);
  if (tokensPerSecond !== undefined) parts.push(`${Math.round(tokensPerSecond)} tokens/s`);
  if (secondsLeft !== undefined) parts.push(`${duration(secondsLeft)} left`);
  return parts.join('  ');
}

/** Rounded down, so that 100 % means done. */
function percent(step: number, totalSteps: number): string {
  return `${Math.floor((100 * step) / Math.max(1, totalSteps))} %`;
}

/** Hours, minutes and seconds as a person says them: `2 h 05 min`, `3 min 20 s`, `7 s`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const twoDigits = (value: number) => String(value).padStart(2, '0');
  if (whole >= 3600) return `${Math.floor(whole / 3600)} h ${twoDigits(Math.floor((whole % 3600) / 60))} min`;
  return whole >= 60 ? `${Math.floor(whole / 60)} min ${twoDigits(whole % 60)} s` : `${whole} s`;
}

class SmoothedLoss {
  #sum = 0;
  #weight = 0;

  add(loss: number): void {
    this.#sum = LOSS_MEMORY * this.#sum + (1 - LOSS_MEMORY) * loss;
    this.#weight = LOSS_MEMORY * this.#weight + (1 - LOSS_MEMORY);
  }

  get value(): number | undefined {
    return this.#weight === 0 ? undefined : this.#sum / this.#weight;
  }
}

/** Time left at the mean pace since the first update, so that steps done before a resumption do not count. */
class TimeLeft {
  readonly #now: () => number;
  readonly #totalSteps: number | undefined;
  #first: { readonly step: number; readonly time: number } | undefined;

  constructor(now: () => number, totalSteps: number | undefined) {
    this.#now = now;
    this.#totalSteps = totalSteps;
  }

  start(step: number): void {
    this.#first ??= { step, time: this.#now() };
  }

  seconds(step: number): number | undefined {
    if (this.#first === undefined || this.#totalSteps === undefined || step <= this.#first.step) return undefined;
    const secondsPerStep = (this.#now() - this.#first.time) / 1000 / (step - this.#first.step);
    return secondsPerStep * Math.max(0, this.#totalSteps - step);
  }
}
