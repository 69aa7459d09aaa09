import { join } from 'node:path';
import { hasCheckpoint } from '../checkpoint/checkpoint.ts';
import type { StoredModel } from '../checkpoint/modelFolder.ts';
import { kindOf } from '../data/source.ts';
import type { OptimizerName } from '../optim/rules.ts';
import type { ScheduleName } from '../optim/schedules.ts';
import { DEFAULT_SEED, NT_ASGD, PRETRAINING } from '../recipe/defaults.ts';
import type { pretrain as pretrainLanguageModel, PretrainConfig } from '../recipe/pretrain.ts';
import { RunFolder } from '../recipe/runFolder.ts';
import { UserError } from '../../text/errors.ts';
import { languageModelsOf } from './languageModels.ts';
import { decisions, given, runMembers, type Directions, type RunResult, type RunSettings } from './run.ts';
import { asLargeAs, sizesOf, type SizeOptions } from './sizes.ts';

/** How a language model is pretrained. What is left out has the value of `recipe/defaults.ts`, or of the preset. */
export interface PretrainOptions extends RunSettings, SizeOptions {
  /**
   * A language model, or a pair, to go on from, instead of random weights. Sizes and directions are its own; its rows of words that the corpus
   * has are kept, and words new to it begin with the mean of all.
   */
  readonly from?: string | undefined;
  /** Text columns, where the corpus is a table. */
  readonly text?: readonly string[] | undefined;
  /** Held-out text; default: the last hundredth of the corpus. */
  readonly valid?: string | undefined;
  /** Parallel streams. */
  readonly batch?: number | undefined;
  /** Tokens through which gradients flow back, on average. */
  readonly bptt?: number | undefined;
  readonly epochs?: number | undefined;
  readonly maxSteps?: number | undefined;
  readonly maxTokens?: number | undefined;
  readonly learningRate?: number | undefined;
  readonly schedule?: ScheduleName | undefined;
  readonly optimizer?: OptimizerName | undefined;
  readonly dropMult?: number | undefined;
  readonly weightDecay?: number | undefined;
  readonly clip?: number | undefined;
  readonly direction?: Directions | undefined;
  /** Store the finished weights in 16 bits. */
  readonly half?: boolean | undefined;
  readonly dataLicence?: string | undefined;
  readonly seed?: number | undefined;
  /** Where checkpoints go; default: `checkpoints` in `out`. */
  readonly checkpoints?: string | undefined;
}

/**
 * Step 1 of ULMFiT: a language model from general text (Howard & Ruder 2018, section 3.1).
 *
 * @param corpus a text file, a table or a folder of them
 * @throws UserError for text that cannot be read, too little of it, or an `out` that holds an earlier run
 * @example
 * await pretrain('wiki/', { out: 'models/wiki', preset: 'small', epochs: 1 });
 */
export async function pretrain(corpus: string, options: PretrainOptions): Promise<RunResult> {
  if (corpus === '-')
    throw new UserError('A corpus cannot come from standard input, because a resumed run reads it again. Give a file or a folder.');
  const { from } = options;
  const starts = from === undefined ? [] : await languageModelsOf({ from, direction: options.direction });
  const [start] = starts;
  const found = starts.length > 1 ? 'both' : (start?.description.direction ?? 'forward');
  const all = {
    ...PRETRAINING,
    ...(options.optimizer === 'nt-asgd' && NT_ASGD),
    direction: found,
    seed: DEFAULT_SEED,
    ...given(options),
    ...(start && { preset: undefined, ...sizesOfStart(start, options) }),
  };
  const fromTokens = all.maxTokens === undefined ? Number.POSITIVE_INFINITY : Math.ceil(all.maxTokens / (all.batch * all.bptt));
  const { batch, bptt, epochs, learningRate, schedule, optimizer, dropMult, weightDecay, clip, seed, minCount, text, out } = all;
  const both = all.direction === 'both';
  const directions = directionsOf(all.direction as Directions);
  const checkpointsOf = (direction: string): string | undefined =>
    both && all.checkpoints !== undefined ? join(all.checkpoints, direction) : all.checkpoints;
  // From its first checkpoint on a run is bound to its tokens, which both directions share.
  const hasBegun = async (): Promise<boolean> => {
    const runs = directions.map((direction) => new RunFolder(both ? join(out, direction) : out, checkpointsOf(direction)));
    return (await Promise.all(runs.map(({ checkpoints }) => hasCheckpoint(checkpoints)))).includes(true);
  };
  if (options.resume !== true || !(await hasBegun())) await kindOf(corpus); // Before anything is written.
  const config: Omit<PretrainConfig, 'backwards'> = {
    corpus,
    batch,
    bptt,
    epochs,
    learningRate,
    schedule,
    optimizer,
    dropMult,
    weightDecay,
    clip,
    seed,
    minCount,
    text,
    validation: all.valid,
    sizes: sizesOf(all, PRETRAINING.preset),
    maxSteps: Math.min(all.maxSteps ?? Number.POSITIVE_INFINITY, fromTokens),
    storedAs: all.half === true ? 'F16' : 'F32',
    dataLicence: all.dataLicence,
    ...(both && { corpusCache: join(out, 'corpus') }),
  };
  const workload = { sizes: config.sizes, tokens: bptt, predictsWords: true };
  const members = directions.map((direction) => {
    const checkpoints = checkpointsOf(direction);
    return {
      direction,
      batch,
      workload,
      checkpoints,
      train: async (folder: string, run: Parameters<typeof pretrainLanguageModel>[2]) => {
        const recipe = await import('../recipe/pretrain.ts'); // which loads the engine
        const corpusIsFixed = await hasBegun();
        const startOf = starts.find(({ description }) => description.direction === direction);
        return recipe.pretrain({ ...config, start: startOf, backwards: direction === 'backward', checkpoints, corpusIsFixed }, folder, run);
      },
    };
  });
  return runMembers(options, { command: 'pretrain', data: corpus, ...decisions(all) }, members);
}

/**
 * The sizes of a model to go on from. Its vocabulary's size is the limit unless another is wanted.
 *
 * @throws UserError where other sizes are wanted
 */
function sizesOfStart({ description: { sizes } }: StoredModel, wanted: PretrainOptions): Omit<SizeOptions, 'minCount'> {
  for (const name of ['embedding', 'hidden', 'layers'] as const) {
    const size = wanted[name];
    if (size !== undefined && size !== sizes[name]) {
      throw new UserError(`${wanted.from} has ${name} ${sizes[name]}, not ${size}. Leave out --${name}, or --from to start a model anew.`);
    }
  }
  return { ...asLargeAs(sizes), ...(wanted.vocab !== undefined && { vocab: wanted.vocab }) };
}

function directionsOf(direction: Directions): ('forward' | 'backward')[] {
  return direction === 'both' ? ['forward', 'backward'] : [direction];
}
