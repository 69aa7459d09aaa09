import type { Task } from '../model/task.ts';
import type { ScheduleName } from '../optim/schedules.ts';
import type { UnfreezingName } from '../optim/unfreezing.ts';
import { CLASSIFIER_TRAINING_OF, DEFAULT_SEED, PRETRAINING, type RecipeName } from '../recipe/defaults.ts';
import type { ClassifierConfig, ClassifierStart, LabelWeights, trainClassifier } from '../recipe/trainClassifier.ts';
import { UserError } from '../../text/errors.ts';
import { languageModelsOf } from './languageModels.ts';
import { decisions, given, runMembers, type Direction, type Directions, type RunResult, type RunSettings } from './run.ts';
import { sizesOf, type SizeOptions } from './sizes.ts';

/** How a classifier is trained. What is left out has the value of the recipe (`recipe/defaults.ts`). */
export interface TrainOptions extends RunSettings, SizeOptions {
  /** The language model to start from, or a pair of them; where it is left out, `fromScratch` must be given. */
  readonly from?: string | undefined;
  /** Start from random weights. */
  readonly fromScratch?: boolean | undefined;
  /** Which of a pair; default: all that `from` has, and forward from scratch. */
  readonly direction?: Directions | undefined;
  /** Default: the paper's. */
  readonly recipe?: RecipeName | undefined;
  /** Default: one label a document. */
  readonly task?: Task | undefined;
  /** Bounds of the numbers of a regression. */
  readonly range?: readonly [low: number, high: number] | undefined;
  /** How much each label weighs in the loss; default: all the same. */
  readonly labelWeights?: LabelWeights | undefined;
  readonly text?: readonly string[] | undefined;
  readonly label?: string | undefined;
  /** What stands between the labels of a document in a table; default `;`. */
  readonly labelSeparator?: string | undefined;
  /** Held-out documents. */
  readonly valid?: string | undefined;
  /** Share held out where there is no `valid`. */
  readonly validFraction?: number | undefined;
  /** Train on this many labelled documents only, balanced, drawn by the seed. */
  readonly labels?: number | undefined;
  /** Passes over the documents; default: the recipe's, or as many as give few documents enough steps. */
  readonly epochs?: number | undefined;
  /** Documents in a step. */
  readonly batch?: number | undefined;
  /** Tokens of a chunk. */
  readonly bptt?: number | undefined;
  /** Tokens at a document's end that send gradients. */
  readonly bpttWindow?: number | undefined;
  readonly learningRate?: number | undefined;
  readonly schedule?: ScheduleName | undefined;
  readonly unfreezing?: UnfreezingName | undefined;
  /** Each layer group 2.6 times slower than the one after it; default: true. */
  readonly discriminative?: boolean | undefined;
  readonly dropMult?: number | undefined;
  readonly weightDecay?: number | undefined;
  readonly clip?: number | undefined;
  readonly seed?: number | undefined;
  /** Store the finished weights in 16 bits. */
  readonly half?: boolean | undefined;
}

/**
 * Step 3 of ULMFiT: a classifier on top of a language model (Howard & Ruder 2018, section 3.3).
 *
 * @param data labelled documents: a table, JSON Lines, Parquet, or folders by label
 * @throws UserError for data that cannot be read or learnt from, a model that is no language model, or an `out` that holds an earlier run
 * @example
 * const { members } = await train('reviews.csv', { from: 'models/reviews-lm', out: 'runs/classifier', labels: 100 });
 * members[0]?.measured['accuracy']; // on the tenth of the documents that was held out
 */
export async function train(data: string, options: TrainOptions): Promise<RunResult> {
  const { from, fromScratch = false } = options;
  if (from === undefined && !fromScratch)
    throw new UserError('Name a language model to start from, or say that there is none (fromScratch).');
  if (from !== undefined) refuseSizes(options);
  const starts = from === undefined ? scratch(options) : await fromModels(from, options);
  // Random weights have nothing to preserve: all layers learn from the beginning, at one rate.
  const usual = from === undefined ? ({ unfreezing: 'full', discriminative: false } as const) : {};
  const { fewestSteps, ...recipe } = CLASSIFIER_TRAINING_OF[options.recipe ?? 'paper'];
  const all = {
    ...recipe,
    discriminative: true,
    seed: DEFAULT_SEED,
    ...usual,
    ...given(options),
  };
  const { valid: validation, validFraction: validationFraction, ...rest } = all;
  const config: ClassifierConfig = { ...rest, data, validation, validationFraction, ...(options.epochs === undefined && { fewestSteps }) };
  refuseRangeOfLabels(config);
  const members = starts.map(({ direction, start }) => ({
    direction,
    batch: all.batch,
    workload: {
      sizes: 'scratch' in start ? start.scratch.sizes : start.languageModel.description.sizes,
      tokens: all.bpttWindow,
      predictsWords: false,
    },
    train: async (folder: string, run: Parameters<typeof trainClassifier>[3]) => {
      const { trainClassifier } = await import('../recipe/trainClassifier.ts'); // which loads the engine
      return trainClassifier(start, config, folder, run);
    },
  }));
  const { judgeHeldOut } = await import('./judgeHeldOut.ts'); // now, as long as the program is the one that began
  const result = await runMembers(options, { command: 'train', data, ...decisions(all) }, members);
  if (!result.interrupted) await judgeHeldOut(result, config, options.onNote);
  return result;
}

/** @throws UserError where labels shall have bounds */
export function refuseRangeOfLabels({ range, task }: Pick<TrainOptions, 'range' | 'task'>): void {
  if (range !== undefined && task !== 'regression') throw new UserError('Bounds are for --regression: labels have none.');
}

interface Start {
  readonly direction: Direction;
  readonly start: ClassifierStart;
}

async function fromModels(from: string, { direction }: TrainOptions): Promise<Start[]> {
  const models = await languageModelsOf({ from, direction });
  return models.map((languageModel) => ({ direction: languageModel.description.direction, start: { languageModel } }));
}

function scratch({ direction = 'forward', minCount = PRETRAINING.minCount, ...options }: TrainOptions): Start[] {
  const sizes = sizesOf(options, 'small');
  const limits = { maxSize: sizes.vocabulary, minCount };
  const directions: Direction[] = direction === 'both' ? ['forward', 'backward'] : [direction];
  return directions.map((each) => ({ direction: each, start: { scratch: { sizes, limits, direction: each } } }));
}

/** @throws UserError where sizes are given to a model that has its own */
function refuseSizes(options: TrainOptions): void {
  const size = (['preset', 'embedding', 'hidden', 'layers', 'vocab', 'minCount'] as const).find((name) => options[name] !== undefined);
  if (size === undefined) return;
  throw new UserError(
    `The sizes are those of ${options.from}: "${size}" is for a start from scratch. Leave it out, or leave the language model out.`,
  );
}
