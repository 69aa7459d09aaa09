import { writeModel, type StoredModel } from '../checkpoint/modelFolder.ts';
import { readCorpusFields } from '../data/corpus.ts';
import { encodeCorpus, encodeWith } from '../data/encodeCorpus.ts';
import { corpusLength } from '../data/tokenCorpus.ts';
import { tf } from '../engine/operations.ts';
import { toDevice } from '../engine/transfer.ts';
import { languageModelGroups } from '../model/parameters.ts';
import { discriminativeRates } from '../optim/discriminative.ts';
import { LANGUAGE_MODEL_UNFREEZING, type EpochRates, type LanguageModelUnfreezingName } from '../optim/unfreezing.ts';
import { languageModelCard } from '../report/modelCard.ts';
import { UserError } from '../../text/errors.ts';
import { LanguageModelTask, type LanguageModelSettings } from './languageModelTask.ts';
import { metricsOf } from './pretrain.ts';
import { RunFolder } from './runFolder.ts';
import { runTraining, type RunOptions, type TrainingOutcome } from './trainingLoop.ts';
import { transferVocabulary } from './vocabularyTransfer.ts';

/** Every decision of a fine-tuning run. */
export interface FineTuneConfig extends Omit<LanguageModelSettings, 'epochs' | 'maxSteps' | 'backwards'> {
  /** The pretrained language model's folder. */
  readonly from: string;
  /** The target text: a table, JSON Lines, a text file or a folder. */
  readonly data: string;
  /** Held-out text of the same kind. */
  readonly validation?: string | undefined;
  readonly text?: readonly string[] | undefined;
  readonly epochs: number;
  readonly learningRate: number;
  readonly unfreezing: LanguageModelUnfreezingName;
  readonly discriminative: boolean;
  readonly maxVocabulary: number;
  readonly minCount: number;
  /** Store the finished weights in 16 bits. */
  readonly half?: boolean | undefined;
}

/** A stream shorter than this many windows would give the model no context to carry. */
const SHORTEST_STREAM_IN_WINDOWS = 4;

/** A language model that stands ready to learn a text. */
export interface PreparedFineTuning {
  readonly task: LanguageModelTask;
  /** The pretrained model in the text's vocabulary. */
  readonly start: StoredModel;
  /** Streams side by side: fewer than wanted where the text is small. */
  readonly batch: number;
  readonly dispose: () => void;
}

/**
 * Reads the text and makes the model ready to learn it.
 *
 * @param plan what an epoch trains, from the rate that each layer group has when it is trained
 * @throws UserError for text that cannot be read, or too little of it
 */
export async function prepareFineTuning(
  pretrained: StoredModel,
  config: Omit<FineTuneConfig, 'epochs' | 'unfreezing'>,
  plan: (rates: readonly number[]) => EpochRates[],
  onNote?: (text: string) => void,
): Promise<PreparedFineTuning> {
  const limits = { maxSize: config.maxVocabulary, minCount: config.minCount };
  const { corpus: training, vocabulary } = await encodeCorpus(readCorpusFields(config.data, { text: config.text }), limits, {
    extend: pretrained.vocabulary,
  });
  const validation =
    config.validation === undefined ? undefined : await encodeWith(readCorpusFields(config.validation, { text: config.text }), vocabulary);
  // A small text is read in fewer streams, so that the state is carried at all.
  const batch = Math.min(config.batch, Math.floor(corpusLength(training) / (SHORTEST_STREAM_IN_WINDOWS * config.bptt)));
  if (batch < 1) {
    throw new UserError(
      `${config.data} has ${corpusLength(training)} tokens, too few to fine-tune a language model on. Skip this step, or give more text.`,
    );
  }
  onNote?.(
    `${corpusLength(training).toLocaleString('en')} tokens, vocabulary ${pretrained.vocabulary.size} + ${vocabulary.size - pretrained.vocabulary.size} new words`,
  );

  const start = transferVocabulary(pretrained, vocabulary);
  const { sizes } = start.description;
  const parameters = toDevice(start.tensors);
  const groups = languageModelGroups(sizes).length;
  const rates = config.discriminative
    ? discriminativeRates(config.learningRate, groups)
    : new Array<number>(groups).fill(config.learningRate);
  const settings: LanguageModelSettings = {
    ...config,
    batch,
    epochs: plan(rates),
    maxSteps: Number.POSITIVE_INFINITY,
    backwards: start.description.direction === 'backward',
  };
  const task = new LanguageModelTask(sizes, parameters, { training, validation }, settings);
  const dispose = (): void => {
    task.dispose();
    tf.dispose([...parameters.values()]);
  };
  return { task, start, batch, dispose };
}

/**
 * Step 2 of ULMFiT (Howard & Ruder 2018, section 3.2): a pretrained language model learns the target text, with discriminative
 * rates and slanted triangular rates. Labels are not looked at. Writes a model folder at `out`.
 */
export async function fineTuneLanguageModel(
  pretrained: StoredModel,
  config: FineTuneConfig,
  out: string,
  options: RunOptions,
): Promise<TrainingOutcome> {
  const run = new RunFolder(out);
  const { epochs, unfreezing } = config;
  const plan = (rates: readonly number[]): EpochRates[] => LANGUAGE_MODEL_UNFREEZING[unfreezing]({ rates, epochs });
  const { task, start, batch, dispose } = await prepareFineTuning(pretrained, config, plan, options.onNote);
  try {
    const decisions = { ...(options.config ?? { command: 'finetune', ...config }), batch };
    const result = await runTraining(task, { ...options, run, config: decisions });
    if (!result.interrupted) {
      const { vocabulary } = start;
      const description = { ...start.description, metrics: metricsOf(result), created: new Date().toISOString() };
      const precision = config.half === true ? 'F16' : 'F32';
      await writeModel(
        out,
        { description, tensors: result.tensors, vocabulary },
        { card: languageModelCard(description, decisions), precision },
      );
    }
    return result;
  } finally {
    dispose();
  }
}
