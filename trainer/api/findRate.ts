import type { StoredModel } from '../checkpoint/modelFolder.ts';
import type { EpochRates } from '../optim/unfreezing.ts';
import { CLASSIFIER_TRAINING_OF, DEFAULT_SEED, FINE_TUNING_OF } from '../recipe/defaults.ts';
import { fallOf, RANGE_TEST, rangeRates, runRangeTest, suggestRates } from '../recipe/rangeTest.ts';
import type { RangeTestControls, RangeTestCurve, RateGroups, RateStep, RateSuggestions } from '../recipe/rangeTest.ts';
import { UserError } from '../../text/errors.ts';
import type { FineTuneOptions } from './fineTune.ts';
import { languageModelsOf } from './languageModels.ts';
import { deviceMemory, isOutOfMemory, outOfMemory } from './outOfMemory.ts';
import { given, type Direction } from './run.ts';
import type { TrainOptions } from './train.ts';

/** Settings of the step that the test is about, where they matter to it. */
type OfFineTuning = Pick<FineTuneOptions, 'maxVocab' | 'minCount'>;
type OfTraining = Pick<
  TrainOptions,
  'label' | 'labelSeparator' | 'task' | 'range' | 'labelWeights' | 'labels' | 'validFraction' | 'bpttWindow'
>;
type OfBoth = Pick<
  TrainOptions,
  'recipe' | 'text' | 'valid' | 'batch' | 'bptt' | 'discriminative' | 'dropMult' | 'weightDecay' | 'clip' | 'seed'
>;

/** How a learning rate is looked for. What is left out has the value that the step itself would have. */
export interface FindRateOptions extends OfBoth, OfTraining, OfFineTuning, Pick<RangeTestControls, 'signal' | 'onStep'> {
  /** The language model that the step starts from; of a pair, the one that `direction` names. */
  readonly from: string;
  /** The step that the rate is for: fine-tuning the language model, or training the classifier (default). */
  readonly step?: RateStep | undefined;
  /** Default: forward, where there is a forward model. */
  readonly direction?: Direction | undefined;
  /** All layer groups (default), or the last alone, as the first epoch of gradual unfreezing trains it. */
  readonly groups?: RateGroups | undefined;
  /** Rates that are tried; default 100. */
  readonly steps?: number | undefined;
  /** Default 1e-7. */
  readonly lowest?: number | undefined;
  /** Default 10. */
  readonly highest?: number | undefined;
  readonly onNote?: ((text: string) => void) | undefined;
}

/** A learning-rate range test: its curve and what it suggests. */
export interface FoundRates extends RangeTestCurve {
  readonly step: RateStep;
  readonly direction: Direction;
  readonly groups: RateGroups;
  /** Whether each layer group had a lower rate than the one after it; the rates are those of the last. */
  readonly discriminative: boolean;
  readonly suggestions: RateSuggestions;
  /** By how much the smoothed loss fell, as a share: where that is little, suggestions mean little. */
  readonly fall: number;
}

/** Fewer rates make no curve. */
const FEWEST_STEPS = 20;

/**
 * Looks for a learning rate by a range test (Smith 2017; fastai's `lr_find`): a step of training at each of 100 rates, from far too low
 * to far too high. No model is changed and nothing is written.
 *
 * @param data what the step would be given
 * @returns rates of the last layer group, which is what the step's `learningRate` is
 * @throws UserError for data or a model that cannot be read or learnt from
 * @example
 * const { suggestions } = await findRate('reviews.csv', { from: 'models/wiki-small', step: 'train' });
 * await train('reviews.csv', { from: 'models/wiki-small', out: 'runs/at-that-rate', learningRate: suggestions.valley });
 */
export async function findRate(data: string, options: FindRateOptions): Promise<FoundRates> {
  const { step = 'train', groups = 'all', signal, onStep } = options;
  const { lowest, highest, steps } = { ...RANGE_TEST, ...given(options) };
  if (!(lowest > 0 && lowest < highest))
    throw new UserError(`The lowest rate, ${lowest}, must be above 0 and below the highest, ${highest}.`);
  if (!(Number.isInteger(steps) && steps >= FEWEST_STEPS))
    throw new UserError(`A range test needs at least ${FEWEST_STEPS} steps, not ${steps}.`);
  const [model] = (await languageModelsOf(options)) as [StoredModel];
  const rates = rangeRates({ lowest, highest, steps });
  // An epoch for each rate, whatever the peak: that is how a step gets its own.
  const plan = (shares: readonly number[]): EpochRates[] =>
    rates.map((rate) => shares.map((share, group) => (groups === 'all' || group === shares.length - 1 ? share * rate : 0)));
  const test = step === 'train' ? testOfTraining : testOfFineTuning;
  const { curve, discriminative } = await test(data, model, options, { plan, rates, controls: { signal, onStep } });
  return {
    ...curve,
    step,
    direction: model.description.direction,
    groups,
    discriminative,
    suggestions: suggestRates(curve.points, steps),
    fall: fallOf(curve.points, steps),
  };
}

interface Test {
  readonly plan: (shares: readonly number[]) => EpochRates[];
  readonly rates: readonly number[];
  readonly controls: RangeTestControls;
}

interface Tested {
  readonly curve: RangeTestCurve;
  readonly discriminative: boolean;
}

/** What both steps have in a test: the highest rate is 1, so that the layer groups' rates are shares; the schedule is the test's. */
const OF_THE_TEST = { learningRate: 1, schedule: 'constant' } as const;

async function testOfFineTuning(
  data: string,
  model: StoredModel,
  options: FindRateOptions,
  { plan, rates, controls }: Test,
): Promise<Tested> {
  const { prepareFineTuning } = await import('../recipe/fineTuneLanguageModel.ts');
  const all = { ...FINE_TUNING_OF[options.recipe ?? 'paper'], seed: DEFAULT_SEED, ...given(options), ...OF_THE_TEST };
  const { batch, bptt, discriminative, maxVocab: maxVocabulary } = all;
  const { task, dispose } = await prepareFineTuning(model, { ...all, data, maxVocabulary }, plan, options.onNote);
  try {
    const curve = await runRangeTest(task, rates, { ...controls, onPass: () => void task.endEpoch() });
    return { curve, discriminative };
  } catch (error) {
    throw await withMemoryAdvice(error, { sizes: model.description.sizes, tokens: bptt, predictsWords: true }, batch);
  } finally {
    dispose();
  }
}

async function testOfTraining(
  data: string,
  model: StoredModel,
  options: FindRateOptions,
  { plan, rates, controls }: Test,
): Promise<Tested> {
  const { prepareClassifier } = await import('../recipe/trainClassifier.ts');
  const usual = { ...CLASSIFIER_TRAINING_OF[options.recipe ?? 'paper'], discriminative: true, seed: DEFAULT_SEED };
  // What training would hold out is held out here too, so that nothing of it decides the rate.
  const { task: kind, valid: validation, validFraction: validationFraction, ...all } = { ...usual, ...given(options), ...OF_THE_TEST };
  const config = { ...all, data, validation, validationFraction, task: kind };
  const { task, dispose } = await prepareClassifier({ languageModel: model }, config, plan, options.onNote);
  try {
    return { curve: await runRangeTest(task, rates, controls), discriminative: all.discriminative };
  } catch (error) {
    throw await withMemoryAdvice(error, { sizes: model.description.sizes, tokens: all.bpttWindow, predictsWords: false }, all.batch);
  } finally {
    dispose();
  }
}

async function withMemoryAdvice(error: unknown, workload: Parameters<typeof outOfMemory>[1], batch: number): Promise<unknown> {
  return isOutOfMemory(error) ? outOfMemory(await deviceMemory(), workload, batch) : error;
}
