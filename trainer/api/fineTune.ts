import type { ScheduleName } from '../optim/schedules.ts';
import type { LanguageModelUnfreezingName } from '../optim/unfreezing.ts';
import { DEFAULT_SEED, FINE_TUNING_OF, type RecipeName } from '../recipe/defaults.ts';
import type { fineTuneLanguageModel } from '../recipe/fineTuneLanguageModel.ts';
import { languageModelsOf } from './languageModels.ts';
import { decisions, given, runMembers, type Directions, type RunResult, type RunSettings } from './run.ts';

/** How a language model is fine-tuned. What is left out has the value of the recipe (`recipe/defaults.ts`). */
export interface FineTuneOptions extends RunSettings {
  /** The pretrained language model, or a pair of them. */
  readonly from: string;
  /** Which of a pair; default: all that `from` has. */
  readonly direction?: Directions | undefined;
  /** Default: the paper's. */
  readonly recipe?: RecipeName | undefined;
  readonly text?: readonly string[] | undefined;
  /** Held-out text. */
  readonly valid?: string | undefined;
  readonly epochs?: number | undefined;
  /** Parallel streams. */
  readonly batch?: number | undefined;
  readonly bptt?: number | undefined;
  readonly learningRate?: number | undefined;
  readonly schedule?: ScheduleName | undefined;
  readonly unfreezing?: LanguageModelUnfreezingName | undefined;
  /** Each layer group 2.6 times slower than the one after it; default: true in the paper's recipe. */
  readonly discriminative?: boolean | undefined;
  readonly dropMult?: number | undefined;
  readonly weightDecay?: number | undefined;
  readonly clip?: number | undefined;
  /** Largest vocabulary. */
  readonly maxVocab?: number | undefined;
  readonly minCount?: number | undefined;
  /** Store the finished weights in 16 bits. */
  readonly half?: boolean | undefined;
  readonly seed?: number | undefined;
}

/**
 * Step 2 of ULMFiT: a pretrained language model learns the target text (Howard & Ruder 2018, section 3.2). Labels are not looked at.
 *
 * @param data texts of the kind to be classified: a table, JSON Lines, a text file or a folder
 * @throws UserError for text that cannot be read, a model that is no language model, or an `out` that holds an earlier run
 * @example
 * await fineTune('reviews.csv', { from: 'models/wiki-small', out: 'runs/lm', epochs: 3 });
 */
export async function fineTune(data: string, options: FineTuneOptions): Promise<RunResult> {
  const models = await languageModelsOf(options);
  const all = { ...FINE_TUNING_OF[options.recipe ?? 'paper'], seed: DEFAULT_SEED, ...given(options) };
  const { batch, bptt, maxVocab: maxVocabulary, valid: validation, ...rest } = all;
  const members = models.map((model) => ({
    direction: model.description.direction,
    batch,
    workload: { sizes: model.description.sizes, tokens: bptt, predictsWords: true },
    train: async (folder: string, run: Parameters<typeof fineTuneLanguageModel>[3]) => {
      const recipe = await import('../recipe/fineTuneLanguageModel.ts'); // which loads the engine
      return recipe.fineTuneLanguageModel(model, { ...rest, batch, bptt, data, validation, maxVocabulary }, folder, run);
    },
  }));
  return runMembers(options, { command: 'finetune', data, ...decisions(all) }, members);
}
