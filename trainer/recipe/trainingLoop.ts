import { latestCheckpoint, saveCheckpoint } from '../checkpoint/checkpoint.ts';
import type { HostTensor } from '../checkpoint/modelFolder.ts';
import { currentDevice } from '../engine/device.ts';
import { tf, type Scalar, type Tensor } from '../engine/operations.ts';
import { currentPrecision } from '../engine/precision.ts';
import { toDevice, toHost } from '../engine/transfer.ts';
import type { Optimizer } from '../optim/optimizer.ts';
import { UserError } from '../../text/errors.ts';
import { restoreMoments, storeMoments, type MomentCounts } from './moments.ts';
import type { RunFolder } from './runFolder.ts';

/** What a language model's and a classifier's training have apart; {@link runTraining} is what they share. */
export interface TrainingTask<Item> {
  readonly optimizer: Optimizer;
  /** All that must stay the same for a resumed run to be the same run, as plain JSON values. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  /** Steps of each epoch. */
  readonly stepsPerEpoch: readonly number[];
  /** What the steps of an epoch train on, from step `first` on. */
  items(epoch: number, first: number): Iterable<Item>;
  /** One optimizer step. */
  step(item: Item, position: StepPosition): StepOutcome;
  /** Called after each epoch: resets what is carried within one, and measures. A run with held-out data gives `validationLoss`. */
  endEpoch(): Record<string, number>;
  /** What a model folder would hold: the parameters, or their averages. */
  learnt(): Map<string, Tensor>;
  /** Numbers besides tensors that a checkpoint must hold. */
  carriedNumbers?(): readonly number[];
  /** Takes them back. */
  restoreNumbers?(numbers: readonly number[]): void;
  /** Tensors besides parameters and moments that a checkpoint must hold. */
  carried(): Map<string, Tensor>;
  /** Takes them back. */
  restoreCarried(tensors: ReadonlyMap<string, Tensor>): void;
}

/** Where in the run a step stands; all count from 0. */
export interface StepPosition {
  readonly step: number;
  readonly epoch: number;
  readonly stepInEpoch: number;
}

/** What a step did. */
export interface StepOutcome {
  /** Kept; the loop disposes of it. */
  readonly loss: Scalar;
  readonly tokens: number;
  /** Of the last layer group. */
  readonly learningRate: number;
}

/** What happens around the steps. */
export interface TrainingOptions {
  readonly run: RunFolder;
  /** Every decision, for config.json, which names device and precision too: written once it is clear that the run can go on. */
  readonly config: object;
  readonly resume: boolean;
  /** Steps between two lines of metrics; the last step of an epoch has a line too. */
  readonly recordEvery: number;
  /** Milliseconds between two checkpoints. */
  readonly checkpointEvery: number;
  /** Which epoch's model is the result: the last one's (default), or the one with the least validation loss. */
  readonly keep?: 'best' | 'last' | undefined;
  /** Stop where the validation loss has not fallen for so many epochs; the best epoch's model is the result. */
  readonly earlyStopping?: number | undefined;
  /** Aborting saves a checkpoint and stops. */
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((step: StepReport) => void) | undefined;
  readonly onNote?: ((text: string) => void) | undefined;
  /** After each epoch's figures are recorded. */
  readonly onEpoch?: (() => Promise<void>) | undefined;
}

/** What whoever begins a run decides about it; the recipe adds the rest. */
export type RunOptions = Omit<TrainingOptions, 'run' | 'config'> & { readonly config?: object | undefined };

/** For a progress display. */
export interface StepReport {
  /** Steps done. */
  readonly step: number;
  readonly totalSteps: number;
  readonly epoch: number;
  /** Mean since the last record; known only every `recordEvery` steps. */
  readonly loss: number | undefined;
  readonly learningRate: number;
  /** Tokens of this step. */
  readonly tokens: number;
}

/** How a run ended. */
export interface TrainingOutcome {
  readonly steps: number;
  /** Tokens trained on, repeats counted. */
  readonly tokens: number;
  /** Mean loss of the last recorded steps. */
  readonly trainingLoss: number;
  /** What `endEpoch` measured of the result. */
  readonly measured: Readonly<Record<string, number>>;
  /** True when `signal` stopped it; a checkpoint was saved. */
  readonly interrupted: boolean;
  /** The result, on the host. */
  readonly tensors: ReadonlyMap<string, HostTensor>;
}

/** The epoch with the least validation loss so far. */
interface BestEpoch {
  /** Counts from 0. */
  readonly epoch: number;
  readonly measured: Readonly<Record<string, number>>;
  readonly tensors: ReadonlyMap<string, HostTensor>;
}

/** The host's side of a checkpoint. */
interface Progress extends MomentCounts {
  readonly settings: TrainingTask<unknown>['settings'];
  readonly epoch: number;
  readonly stepInEpoch: number;
  readonly step: number;
  readonly tokens: number;
  /** Losses since the last record. */
  readonly losses: readonly number[];
  readonly trainingLoss: number;
  readonly measured: Readonly<Record<string, number>>;
  readonly numbers?: readonly number[];
  /** Its tensors are among the checkpoint's, under {@link BEST}. */
  readonly best?: Omit<BestEpoch, 'tensors'>;
}

const BEST = 'best.';

/** What held in runs whose checkpoints do not name it yet. */
const SETTINGS_OF_OLD: TrainingTask<unknown>['settings'] = {
  precision: 'fp32',
  recipe: 'paper',
  optimizer: 'adam',
  objective: JSON.stringify({ task: 'singleLabel' }),
};

/** Runs a task from its beginning or its last checkpoint to its end. */
export async function runTraining<Item>(task: TrainingTask<Item>, options: TrainingOptions): Promise<TrainingOutcome> {
  return new TrainingLoop(task, options).run();
}

class TrainingLoop<Item> {
  readonly #task: TrainingTask<Item>;
  readonly #options: TrainingOptions;
  readonly #totalSteps: number;
  #step = 0;
  #tokens = 0;
  #trainingLoss = Number.NaN;
  #measured: Readonly<Record<string, number>> = {};
  #best: BestEpoch | undefined;
  /** Losses since the last record: those still on the device, and those that a checkpoint had to read. */
  #pending: Scalar[] = [];
  #read: number[] = [];
  #lastSave = Date.now();

  constructor(task: TrainingTask<Item>, options: TrainingOptions) {
    this.#task = task;
    this.#options = options;
    this.#totalSteps = task.stepsPerEpoch.reduce((sum, steps) => sum + steps, 0);
  }

  async run(): Promise<TrainingOutcome> {
    const { run, config, resume, signal } = this.#options;
    const start = resume ? await this.#restore() : { epoch: 0, stepInEpoch: 0 };
    await run.begin({ ...config, device: currentDevice().kind, precision: currentPrecision() });
    await run.rewind(this.#step, start.epoch);
    let first = start.stepInEpoch;
    for (let epoch = start.epoch; epoch < this.#task.stepsPerEpoch.length; epoch++) {
      const end = this.#task.stepsPerEpoch[epoch] ?? 0;
      if (end === 0) break;
      let stepInEpoch = first;
      for (const item of this.#task.items(epoch, first)) {
        if (stepInEpoch >= end) break;
        await this.#trainStep(item, { step: this.#step, epoch, stepInEpoch });
        stepInEpoch++;
        const stopping = signal?.aborted ?? false;
        if (stopping || Date.now() - this.#lastSave > this.#options.checkpointEvery) await this.#save(epoch, stepInEpoch);
        if (stopping) return this.#outcome(true);
        await nextTurn();
      }
      first = 0;
      // Saved before the state is reset, so that a run that is made longer goes on in the middle of the epoch that was its last.
      await this.#save(epoch, end);
      await this.#endEpoch(epoch);
      if (this.#hasStalled(epoch)) break;
    }
    return this.#outcome(false);
  }

  async #trainStep(item: Item, position: StepPosition): Promise<void> {
    const { loss, tokens, learningRate } = this.#task.step(item, position);
    this.#pending.push(loss);
    this.#step++;
    this.#tokens += tokens;
    const endsEpoch = position.stepInEpoch + 1 === this.#task.stepsPerEpoch[position.epoch];
    const recorded = this.#step % this.#options.recordEvery === 0 || endsEpoch;
    if (recorded) await this.#record(position.epoch, learningRate);
    this.#options.onStep?.({
      step: this.#step,
      totalSteps: this.#totalSteps,
      epoch: position.epoch,
      loss: recorded ? this.#trainingLoss : undefined,
      learningRate,
      tokens,
    });
  }

  /** Writes the mean loss since the last record: the only place in which the loop waits for the device. */
  async #record(epoch: number, learningRate: number): Promise<void> {
    const losses = [...this.#read, ...this.#readPending()];
    this.#read = [];
    this.#trainingLoss = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    await this.#options.run.record({ step: this.#step, epoch: epoch + 1, loss: this.#trainingLoss, learningRate, tokens: this.#tokens });
  }

  /** @throws Error where a loss is not finite: nothing is recorded or saved of a run that has diverged */
  #readPending(): number[] {
    const values = this.#pending.map((loss) => loss.dataSync()[0] ?? Number.NaN);
    tf.dispose(this.#pending);
    this.#pending = [];
    const diverged = values.findIndex((loss) => !Number.isFinite(loss));
    if (diverged >= 0) {
      const step = this.#step - values.length + 1 + diverged;
      throw new Error(
        `Training has diverged: the loss is ${values[diverged]} at step ${step}. Train again with a lower --learning-rate, or resume from the last checkpoint.`,
      );
    }
    return values;
  }

  async #endEpoch(epoch: number): Promise<void> {
    this.#measured = this.#task.endEpoch();
    const entries = Object.entries(this.#measured);
    if (entries.length > 0) {
      await this.#options.run.record({ step: this.#step, epoch: epoch + 1, ...this.#measured });
      this.#options.onNote?.(`epoch ${epoch + 1}: ${entries.map(([name, value]) => `${inWords(name)} ${value.toFixed(4)}`).join(', ')}`);
    }
    const loss = this.#measured['validationLoss'];
    if (this.#keepsBest && loss !== undefined && loss < (this.#best?.measured['validationLoss'] ?? Number.POSITIVE_INFINITY)) {
      this.#best = { epoch, measured: this.#measured, tensors: toHost(this.#task.learnt()) };
    }
    await this.#options.onEpoch?.();
  }

  get #keepsBest(): boolean {
    return this.#options.keep === 'best' || this.#options.earlyStopping !== undefined;
  }

  /** Whether the validation loss has not fallen for as many epochs as are allowed. */
  #hasStalled(epoch: number): boolean {
    const { earlyStopping, onNote } = this.#options;
    if (earlyStopping === undefined || this.#best === undefined || epoch - this.#best.epoch < earlyStopping) return false;
    onNote?.(`stopped early: epoch ${this.#best.epoch + 1} had the least validation loss`);
    return true;
  }

  async #save(epoch: number, stepInEpoch: number): Promise<void> {
    const { optimizer, settings } = this.#task;
    this.#read.push(...this.#readPending());
    const { moments, counts } = storeMoments(optimizer);
    const best = this.#best;
    const progress: Progress = {
      settings,
      epoch,
      stepInEpoch,
      ...counts,
      step: this.#step,
      tokens: this.#tokens,
      losses: this.#read,
      trainingLoss: this.#trainingLoss,
      measured: this.#measured,
      ...(this.#task.carriedNumbers !== undefined && { numbers: this.#task.carriedNumbers() }),
      ...(best !== undefined && { best: { epoch: best.epoch, measured: best.measured } }),
    };
    const tensors = toHost(
      new Map([...optimizer.parameters, ...moments, ...(optimizer.lossScale?.tensors() ?? []), ...this.#task.carried()]),
    );
    for (const [name, tensor] of best?.tensors ?? []) tensors.set(BEST + name, tensor);
    await saveCheckpoint(this.#options.run.checkpoints, this.#step, { tensors, progress });
    this.#lastSave = Date.now();
  }

  async #restore(): Promise<{ epoch: number; stepInEpoch: number }> {
    const checkpoint = await latestCheckpoint<Progress>(this.#options.run.checkpoints);
    if (checkpoint === undefined) return { epoch: 0, stepInEpoch: 0 };
    const { progress } = checkpoint;
    refuseChanges({ ...SETTINGS_OF_OLD, ...progress.settings }, this.#task.settings);
    const [ofBest, ofRun] = partition(checkpoint.tensors, (name) => name.startsWith(BEST));
    if (progress.best !== undefined) {
      this.#best = { ...progress.best, tensors: new Map([...ofBest].map(([name, tensor]) => [name.slice(BEST.length), tensor])) };
    }
    const tensors = toDevice(ofRun);
    restoreMoments(this.#task.optimizer, tensors, progress);
    this.#task.restoreNumbers?.(progress.numbers ?? []);
    this.#task.optimizer.lossScale?.restore(tensors);
    this.#task.restoreCarried(tensors);
    this.#step = progress.step;
    this.#tokens = progress.tokens;
    this.#read = [...progress.losses];
    this.#trainingLoss = progress.trainingLoss ?? Number.NaN; // NaN becomes null in JSON
    this.#measured = progress.measured;
    this.#options.onNote?.(`resumed at step ${progress.step} of ${this.#totalSteps}`);
    return progress;
  }

  #outcome(interrupted: boolean): TrainingOutcome {
    const { measured, tensors } = this.#best ?? { measured: this.#measured, tensors: toHost(this.#task.learnt()) };
    const bestEpoch = this.#best === undefined ? {} : { epoch: this.#best.epoch + 1 };
    return {
      steps: this.#step,
      tokens: this.#tokens,
      trainingLoss: this.#trainingLoss,
      measured: { ...measured, ...bestEpoch },
      interrupted,
      tensors,
    };
  }
}

/** The entries that fulfil a condition, and the others. */
function partition<Value>(
  entries: ReadonlyMap<string, Value>,
  condition: (name: string) => boolean,
): [Map<string, Value>, Map<string, Value>] {
  const parts: [Map<string, Value>, Map<string, Value>] = [new Map(), new Map()];
  for (const [name, value] of entries) parts[condition(name) ? 0 : 1].set(name, value);
  return parts;
}

function refuseChanges(before: TrainingTask<unknown>['settings'], now: TrainingTask<unknown>['settings']): void {
  for (const [name, value] of Object.entries(now)) {
    if (JSON.stringify(before[name]) !== JSON.stringify(value)) {
      throw new UserError(
        `Cannot resume: ${inWords(name)} was ${before[name]} when the run began and is ${value} now. Give the same value, or another --out to begin anew.`,
      );
    }
  }
}

/** `validationLoss` as a person would write it: "validation loss". */
function inWords(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** Lets signals and timers through between two steps. */
async function nextTurn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
