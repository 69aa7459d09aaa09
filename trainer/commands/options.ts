import { type CommandUnknownOpts, Option } from '@commander-js/extra-typings';

import { DEVICE_CHOICES, type DeviceChoice } from '../engine/device.ts';
import { PRECISIONS, type Precision } from '../engine/precision.ts';
import type { Preset } from '../model/presets.ts';
import type { ScheduleName } from '../optim/schedules.ts';
import { SCHEDULES } from '../optim/schedules.ts';
import type { UnfreezingName } from '../optim/unfreezing.ts';
import { DEFAULT_SEED } from '../recipe/defaults.ts';
import { collect, nonNegativeNumber, positiveInteger, positiveNumber, seed } from './values.ts';

/*
 * The options that several commands share, made anew for each of them with its own default, and what each command gets of its
 * options. An option with a default is always there; the others may be undefined.
 */

/** Where a command computes, and how exactly: taken before its code is loaded (commands/computation.ts). */
export interface ComputationOptions {
  readonly device: DeviceChoice;
  /** Of training commands alone. */
  readonly precision?: Precision | undefined;
}

/** Options of all training commands. */
export interface TrainingOptions extends ComputationOptions {
  /** The model folder that is written. */
  readonly out: string;
  readonly batch: number;
  readonly bptt: number;
  readonly epochs: number;
  readonly learningRate: number;
  readonly dropMult: number;
  readonly seed: number;
  readonly resume?: boolean | undefined;
  readonly json?: boolean | undefined;
}

export interface PretrainOptions extends TrainingOptions {
  readonly preset: Preset;
  /** These four take the place of the preset's sizes. */
  readonly embedding?: number | undefined;
  readonly hidden?: number | undefined;
  readonly layers?: number | undefined;
  readonly vocab?: number | undefined;
  readonly minCount: number;
  readonly text?: readonly string[] | undefined;
  readonly valid?: string | undefined;
  readonly maxSteps?: number | undefined;
  readonly maxTokens?: number | undefined;
  readonly schedule: ScheduleName;
  readonly weightDecay: number;
  readonly clip: number;
  readonly backwards?: boolean | undefined;
  /** Store weights in 16 bits. */
  readonly half?: boolean | undefined;
  readonly dataLicence?: string | undefined;
  readonly checkpointMinutes: number;
  readonly checkpoints?: string | undefined;
}

export interface FinetuneOptions extends TrainingOptions {
  readonly from: string;
  readonly text?: readonly string[] | undefined;
  readonly valid?: string | undefined;
  readonly maxVocab: number;
}

export interface TrainOptions extends TrainingOptions {
  /** Exactly one of `from` and `fromScratch` is given. */
  readonly from?: string | undefined;
  readonly fromScratch?: boolean | undefined;
  readonly text?: readonly string[] | undefined;
  readonly label?: string | undefined;
  /** Takes the place of `validFraction`. */
  readonly valid?: string | undefined;
  readonly validFraction: number;
  readonly labels?: number | undefined;
  readonly bpttWindow: number;
  readonly schedule: ScheduleName;
  readonly unfreezing: UnfreezingName;
  /** False after `--no-discriminative`. */
  readonly discriminative: boolean;
}

export interface EvaluateOptions extends ComputationOptions {
  readonly text?: readonly string[] | undefined;
  readonly label?: string | undefined;
  readonly json?: boolean | undefined;
}

export interface PredictOptions extends ComputationOptions {
  readonly file?: string | undefined;
  readonly text?: readonly string[] | undefined;
  /** Undefined: all labels. */
  readonly topK?: number | undefined;
  readonly json?: boolean | undefined;
}

export interface TokenizeOptions {
  readonly file?: string | undefined;
  readonly text?: readonly string[] | undefined;
  readonly from?: string | undefined;
  readonly json?: boolean | undefined;
}

export interface ExportOptions {
  readonly out: string;
  readonly documents: string;
  readonly text?: readonly string[] | undefined;
  readonly name?: string | undefined;
  readonly bundleVersion: string;
  readonly json?: boolean | undefined;
}

export const out = () => new Option('--out <folder>', 'model folder to write; checkpoints and metrics lie in it too').makeOptionMandatory();

export const batch = (usual: number) =>
  new Option('--batch <streams>', 'streams of text trained side by side').default(usual).argParser(positiveInteger);

export const bptt = (usual: number) =>
  new Option('--bptt <tokens>', 'tokens through which gradients flow back, on average').default(usual).argParser(positiveInteger);

export const epochs = (usual: number) => new Option('--epochs <count>', 'passes over the data').default(usual).argParser(positiveInteger);

export const learningRate = (usual: number) =>
  new Option('--learning-rate <rate>', 'highest learning rate, that of the last layer group').default(usual).argParser(positiveNumber);

export const schedule = (usual: ScheduleName) =>
  new Option('--schedule <name>', 'how the learning rate moves over the run')
    .choices(Object.keys(SCHEDULES) as ScheduleName[])
    .default(usual);

export const dropMult = (usual: number) =>
  new Option('--drop-mult <factor>', "factor on the model's five dropouts; more for small data")
    .default(usual)
    .argParser(nonNegativeNumber);

export const seedOption = () =>
  new Option('--seed <number>', 'seed of every random draw; the same seed gives the same run').default(DEFAULT_SEED).argParser(seed);

export const resume = () => new Option('--resume', 'go on from the newest checkpoint in --out, if there is one');

export const device = () =>
  new Option('--device <name>', 'where to compute; auto takes a GPU where one can be used')
    .choices(DEVICE_CHOICES)
    .default<DeviceChoice>('auto')
    .env('ULMFIT_DEVICE');

export const precision = () =>
  new Option('--precision <name>', 'type of large matrix products: 16 bits are faster where the hardware has them; fp16 on GPUs alone')
    .choices(PRECISIONS)
    .default<Precision>('fp32')
    .env('ULMFIT_PRECISION');

export const text = () =>
  new Option('--text <column>', 'text column; give it several times for several (default: "text")').argParser(collect);

export const label = () => new Option('--label <column>', 'label column (default: "label")');

export const valid = () => new Option('--valid <data>', 'held-out data of the same form');

export const json = (what: string) => new Option('--json', `print ${what} as JSON`);

/** Refuses a `train` that has not been told what to start from: silently starting from scratch would give a poor model. */
export function requireStart(command: CommandUnknownOpts, { from, fromScratch }: Pick<TrainOptions, 'from' | 'fromScratch'>): void {
  if (from === undefined && fromScratch !== true)
    command.error("error: name a language model with '--from <model>', or give '--from-scratch'");
}
