import { styleText } from 'node:util';

/** Where progress is shown; `process.stderr` is one. */
export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  /** Width of the terminal in characters. */
  readonly columns?: number | undefined;
}

export interface ProgressOptions {
  /** What is going on, such as `pretraining`. */
  readonly label: string;
  /** Undefined where the end is not known. */
  readonly totalSteps?: number | undefined;
  /** Default: standard error. */
  readonly stream?: ProgressStream | undefined;
  /** The clock, in milliseconds. */
  readonly now?: (() => number) | undefined;
  /** Whether the label is shown in bold on a terminal. Default: unless NO_COLOR is set. */
  readonly colour?: boolean | undefined;
}

/** How far a run has come. What is left out stays as it was. */
export interface ProgressUpdate {
  /** Steps done since the run began, those before a resumption included. */
  readonly step: number;
  readonly loss?: number | undefined;
  readonly learningRate?: number | undefined;
  readonly tokensPerSecond?: number | undefined;
}

export interface Progress {
  update(update: ProgressUpdate): void;
  /** Prints a line of its own that stays. */
  note(text: string): void;
  /** Shows the last state once more, for good. */
  done(): void;
}

const REDRAW_MILLISECONDS = 100;
const PLAIN_LINE_MILLISECONDS = 5000;

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
  const { label, totalSteps, stream = process.stderr, now = Date.now } = options;
  const isTerminal = stream.isTTY === true;
  const bold = isTerminal && (options.colour ?? !process.env['NO_COLOR']);
  const shownLabel = bold ? styleText('bold', label, { validateStream: false }) : label;
  const interval = isTerminal ? REDRAW_MILLISECONDS : PLAIN_LINE_MILLISECONDS;
  const estimate = new TimeLeft(now, totalSteps);
  const loss = new SmoothedLoss();
  let latest: ProgressUpdate | undefined;
  let lastShown = Number.NEGATIVE_INFINITY;
  let isDrawn = false;

  const show = () => {
    if (latest === undefined) return;
    const line = describe({ ...latest, loss: loss.value }, totalSteps, estimate.seconds(latest.step));
    if (isTerminal) {
      const room = (stream.columns ?? 80) - label.length - 3;
      stream.write(`\r\u001b[2K${shownLabel}  ${line.slice(0, Math.max(0, room))}`);
      isDrawn = true;
    } else {
      stream.write(`${label}  ${line}\n`);
    }
    lastShown = now();
  };
  const clear = () => {
    if (isDrawn) stream.write('\r\u001b[2K');
    isDrawn = false;
  };

  return {
    update(update) {
      latest = { ...latest, ...definedOf(update) };
      if (update.loss !== undefined) loss.add(update.loss);
      estimate.start(update.step);
      if (now() - lastShown >= interval) show();
    },
    note(text) {
      clear();
      stream.write(`${text}\n`);
      if (isTerminal) show();
    },
    done() {
      show();
      if (isDrawn) stream.write('\n');
      isDrawn = false;
      latest = undefined;
    },
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
