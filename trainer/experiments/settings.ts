import type { FineTuneOptions } from '../api/fineTune.ts';
import type { TrainOptions } from '../api/train.ts';
import { FINE_TUNING_OF, type RecipeName } from '../recipe/defaults.ts';
import { UserError } from '../../text/errors.ts';
import { EXPERIMENT } from './defaults.ts';
import type { ExperimentControls } from './experiment.ts';
import type { PartOptions } from './parts.ts';

/** What may be chosen about the classifiers of an experiment. */
export type ClassifierChoices = Pick<
  TrainOptions,
  | 'batch'
  | 'bptt'
  | 'bpttWindow'
  | 'learningRate'
  | 'schedule'
  | 'unfreezing'
  | 'discriminative'
  | 'dropMult'
  | 'weightDecay'
  | 'clip'
  | 'labelWeights'
>;

/** What may be chosen about the fine-tuning of an experiment's language models. */
export type LanguageModelChoices = Pick<
  FineTuneOptions,
  | 'batch'
  | 'bptt'
  | 'learningRate'
  | 'schedule'
  | 'unfreezing'
  | 'discriminative'
  | 'dropMult'
  | 'weightDecay'
  | 'clip'
  | 'maxVocab'
  | 'minCount'
>;

/** What may be chosen about classifiers from scratch. */
export interface ScratchChoices extends ClassifierChoices {
  /** Words seen fewer times are unknown. */
  readonly minCount?: number | undefined;
}

/** What the experiments have in common. What is left out has the value of `EXPERIMENT` in defaults.ts, or of the recipe. */
export interface ExperimentOptions extends ExperimentControls, Partial<PartOptions> {
  /** The folder that is written. */
  readonly out: string;
  /** Go on with the experiment in `out`; its runs that are finished are not repeated. */
  readonly resume?: boolean | undefined;
  /** The pretrained language model, or a pair of them. */
  readonly from: string;
  /** Bounds of the numbers of a regression. */
  readonly range?: readonly [low: number, high: number] | undefined;
  readonly recipe?: RecipeName | undefined;
  /** Each run is repeated with these. */
  readonly seeds?: readonly number[] | undefined;
  /** Of fine-tuning a language model. */
  readonly lmEpochs?: number | undefined;
  /** Of a classifier, at most. */
  readonly epochs?: number | undefined;
  /** A classifier stops after so many epochs without a lower validation loss, and its best epoch is kept. */
  readonly earlyStopping?: number | undefined;
  /** Keep the weights of classifiers that are finished, and of language models that are needed no more. */
  readonly keepModels?: boolean | undefined;
  readonly classifier?: ClassifierChoices | undefined;
  readonly languageModel?: LanguageModelChoices | undefined;
  readonly scratch?: ScratchChoices | undefined;
}

/** Epochs of fine-tuning a language model. */
export function languageModelEpochs({ lmEpochs, recipe = 'paper' }: Pick<ExperimentOptions, 'lmEpochs' | 'recipe'>): number {
  return lmEpochs ?? FINE_TUNING_OF[recipe].epochs;
}

/** An experiment's options with the defaults that all experiments have in common. */
export function withDefaults<Options extends ExperimentOptions>(options: Options) {
  const { seeds = EXPERIMENT.seeds, testFraction = EXPERIMENT.testFraction, validFraction = EXPERIMENT.validFraction } = options;
  const { epochs = EXPERIMENT.epochs, earlyStopping = EXPERIMENT.earlyStopping, keepModels = false } = options;
  const recipe: RecipeName = options.recipe ?? 'paper';
  const common = { recipe, seeds: unique(seeds), epochs, earlyStopping, keepModels, lmEpochs: languageModelEpochs({ ...options, recipe }) };
  if (common.seeds.length === 0) throw new UserError('Give at least one seed.');
  return {
    ...options,
    ...common,
    // A share that is not used is no decision.
    testFraction: options.test === undefined ? testFraction : 0,
    validFraction: options.valid === undefined ? validFraction : 0,
  };
}

/** Each value once, in the order given. */
export function unique<Value>(values: readonly Value[]): Value[] {
  return [...new Set(values)];
}
