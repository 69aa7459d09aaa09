import { Option } from '@commander-js/extra-typings';
import type { Precision as BundlePrecision } from '../../export/bundle.ts';

import { DEVICE_CHOICES, type DeviceChoice } from '../engine/device.ts';
import { PRECISIONS, type Precision } from '../engine/precision.ts';
import type { ScheduleName } from '../optim/schedules.ts';
import { SCHEDULES } from '../optim/schedules.ts';
import { type Preset, PRESETS } from '../model/presets.ts';
import { DISCRIMINATIVE_FACTOR } from '../optim/discriminative.ts';
import { DEFAULT_SEED, RECIPES } from '../recipe/defaults.ts';
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

export interface PredictOptions extends ComputationOptions {
  readonly file?: string | undefined;
  readonly text?: readonly string[] | undefined;
  /** Undefined: all labels. */
  readonly topK?: number | undefined;
  readonly explain?: boolean | undefined;
  /** The page that shows explained answers; it implies them. */
  readonly html?: string | undefined;
  /** The file of answers; undefined: standard output. */
  readonly out?: string | undefined;
  /** Whether an interrupted run goes on. */
  readonly resume?: boolean | undefined;
  readonly json?: boolean | undefined;
}

export interface TokenizeOptions {
  readonly file?: string | undefined;
  readonly text?: readonly string[] | undefined;
  readonly from?: string | undefined;
  readonly json?: boolean | undefined;
}

/** How the weights of a bundle are stored and computed with. */
export interface BundlePrecisionFlags {
  readonly int8?: boolean | undefined;
  readonly fp16?: boolean | undefined;
}

export interface ExportOptions extends BundlePrecisionFlags {
  readonly out: string;
  readonly documents: string;
  readonly text?: readonly string[] | undefined;
  readonly name?: string | undefined;
  readonly bundleVersion: string;
  readonly json?: boolean | undefined;
}

/** What may be given where a command needs a language model to start from. */
export const LANGUAGE_MODEL =
  'folder of a language model, or of a pair of them, or the name of one that came with ulmfit: wiki-small or reviews-small';

export const out = () => new Option('--out <folder>', 'model folder to write; checkpoints and metrics lie in it too').makeOptionMandatory();

/** @param usual told in the help where the command line has no default of its own */
export const preset = (usual?: Preset) =>
  new Option('--preset <name>', `sizes of the model${usual === undefined ? '' : ` (default: ${usual})`}`).choices(
    Object.keys(PRESETS) as Preset[],
  );

export const embedding = () =>
  new Option('--embedding <numbers>', "numbers a word, and the last layer's width (default: the preset's)").argParser(positiveInteger);

export const hidden = () =>
  new Option('--hidden <units>', "units of the other LSTM layers (default: the preset's)").argParser(positiveInteger);

export const layers = () => new Option('--layers <count>', "LSTM layers (default: the preset's)").argParser(positiveInteger);

export const vocab = () => new Option('--vocab <words>', "largest vocabulary (default: the preset's)").argParser(positiveInteger);

/** @param usual as for {@link preset} */
export const minCount = (usual?: number) =>
  new Option('--min-count <times>', `words seen fewer times are unknown${usual === undefined ? '' : ` (default: ${usual})`}`).argParser(
    positiveInteger,
  );

export const batch = (usual: number) =>
  new Option('--batch <streams>', 'streams of text trained side by side').default(usual).argParser(positiveInteger);

export const bptt = (usual: number) =>
  new Option('--bptt <tokens>', 'tokens through which gradients flow back, on average').default(usual).argParser(positiveInteger);

export const epochs = (usual: number, inWords?: string) =>
  new Option('--epochs <count>', 'passes over the data').default(usual, inWords).argParser(positiveInteger);

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

export const weightDecay = (usual: number) =>
  new Option('--weight-decay <factor>', 'decoupled weight decay').default(usual).argParser(nonNegativeNumber);

export const clip = (usual: number) =>
  new Option('--clip <norm>', 'largest norm of the gradients').default(usual).argParser(positiveNumber);

export const DIRECTION_NAMES = ['forward', 'backward', 'both'] as const;

export const direction = () =>
  new Option('--direction <name>', 'which models of a pair to take (default: all there are)').choices(DIRECTION_NAMES);

export const recipe = () =>
  new Option('--recipe <name>', "whose numbers the other options default to: the paper's, or fastai's one-cycle tutorial")
    .choices(RECIPES)
    .default('paper');

export const NO_DISCRIMINATIVE = `one learning rate for all layers, not ${DISCRIMINATIVE_FACTOR} times less for each earlier one`;

export const labelWeights = () =>
  new Option('--label-weights <name>', 'weight of each label in the loss: balanced gives rare ones as much as frequent ones')
    .choices(['none', 'balanced'])
    .default('none');

export const earlyStopping = () =>
  new Option('--early-stopping <epochs>', 'stop after so many epochs without a lower held-out loss, and keep the best').argParser(
    positiveInteger,
  );

export const keep = () =>
  new Option('--keep <epoch>', "which epoch's model is kept: best is the one with the least held-out loss")
    .choices(['last', 'best'])
    .default('last');

export const half = () => new Option('--half', 'store the finished weights in 16 bits');

export const config = () => new Option('--config <file>', "options as JSON, such as a run's config.json; what is given here comes first");

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

export const int8 = () =>
  new Option('--int8', 'bundle with 8-bit weights and products: a quarter of the size, and faster').conflicts('fp16');

export const fp16 = () => new Option('--fp16', 'bundle with 16-bit weights: half the size, computes as before').conflicts('int8');

/** Undefined where nothing is chosen. */
export function bundlePrecisionOf({ int8: isInt8 = false, fp16: isFp16 = false }: BundlePrecisionFlags): BundlePrecision | undefined {
  if (isInt8) return 'int8';
  return isFp16 ? 'fp16' : undefined;
}

export const text = () =>
  new Option('--text <column>', 'text column; give it several times for several (default: "text")').argParser(collect);

export const label = () => new Option('--label <column>', 'label column (default: "label")');

export const valid = () => new Option('--valid <data>', 'held-out data of the same form');

export const json = (what: string) => new Option('--json', `print ${what} as JSON`);
