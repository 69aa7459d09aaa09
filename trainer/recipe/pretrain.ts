import { join } from 'node:path';
import { writeModel, MODEL_SCHEMA_VERSION, type StoredModel } from '../checkpoint/modelFolder.ts';
import { readCorpusFields } from '../data/corpus.ts';
import { encodeWith, type EncodedCorpus } from '../data/encodeCorpus.ts';
import { corpusLength, documentCount, documentsFrom, type TokenCorpus } from '../data/tokenCorpus.ts';
import { tf } from '../engine/operations.ts';
import { toDevice } from '../engine/transfer.ts';
import { TOKENIZER_VERSION } from '../../text/tokenizer.ts';
import type { Vocabulary } from '../../text/vocabulary.ts';
import { UserError } from '../../text/errors.ts';
import { initializeLanguageModel } from '../model/initialize.ts';
import { languageModelGroups } from '../model/parameters.ts';
import type { Sizes } from '../model/presets.ts';
import { full } from '../optim/unfreezing.ts';
import { languageModelCard } from '../report/modelCard.ts';
import { LanguageModelTask, type LanguageModelSettings } from './languageModelTask.ts';
import { RunFolder } from './runFolder.ts';
import { tokenizedText } from './tokenizedText.ts';
import { runTraining, type RunOptions, type TrainingOutcome } from './trainingLoop.ts';
import { transferVocabulary } from './vocabularyTransfer.ts';

/** Every decision of a pretraining run. */
export interface PretrainConfig extends Omit<LanguageModelSettings, 'epochs'> {
  /** A text file or a folder of them. */
  readonly corpus: string;
  /** Held-out text of the same kind; without it, the last hundredth of the corpus. */
  readonly validation?: string | undefined;
  /** Text columns, where the corpus is a table. */
  readonly text?: readonly string[] | undefined;
  /** `vocabulary` is an upper limit. */
  readonly sizes: Sizes;
  /** A language model to go on from, of these sizes; without it, weights are random. */
  readonly start?: StoredModel | undefined;
  readonly minCount: number;
  readonly epochs: number;
  readonly learningRate: number;
  /** Of the weights in the model folder. */
  readonly storedAs: 'F32' | 'F16';
  /** Licence of the corpus, for the model card. */
  readonly dataLicence?: string | undefined;
  /** Where checkpoints go, if not in the run's folder. */
  readonly checkpoints?: string | undefined;
  /** Where the tokenized corpus goes, if not in the run's folder: two directions share one. */
  readonly corpusCache?: string | undefined;
  /** The text that was tokenized there is taken in whatever state it was: a model of this run has been trained on it. */
  readonly corpusIsFixed?: boolean | undefined;
}

/** Fewest tokens that are worth a step for each stream. */
const SMALLEST_STREAM = 8;

/**
 * Step 1 of ULMFiT (Howard & Ruder 2018, section 3.1): a language model from general text. Writes a model folder at `out`.
 * The corpus, tokenized, and the checkpoints lie in the same folder, so `resume` goes on where a run was stopped, whatever has become of the text.
 */
export async function pretrain(config: PretrainConfig, out: string, options: RunOptions): Promise<TrainingOutcome> {
  const { signal, onNote } = options;
  const heldOut = new HeldOutText(config, signal);
  try {
    const tokens = await tokenizedText(config.corpusCache ?? join(out, 'corpus'), {
      corpus: config.corpus,
      text: config.text,
      limits: { maxSize: config.sizes.vocabulary, minCount: config.minCount },
      isFixed: config.corpusIsFixed,
      signal,
      onNote,
      check: async (offsets, vocabulary) => {
        refuseTooLittle(offsets, config);
        await heldOut.read(vocabulary); // Before anything is written.
      },
    });
    try {
      refuseTooLittle(tokens.corpus.offsets, config);
      return await pretrainOn(tokens, await heldOut.read(tokens.vocabulary), config, { ...options, out });
    } finally {
      tokens.close();
    }
  } catch (error) {
    if (signal?.aborted === true && error === signal.reason) return NOT_BEGUN;
    throw error;
  }
}

/** A run that was stopped before its first step. */
const NOT_BEGUN: TrainingOutcome = {
  steps: 0,
  tokens: 0,
  trainingLoss: Number.NaN,
  measured: {},
  interrupted: true,
  tensors: new Map(),
};

/** @param heldOut text of its own to measure on, if there is one */
async function pretrainOn(
  { corpus, vocabulary }: EncodedCorpus,
  heldOut: TokenCorpus | undefined,
  config: PretrainConfig,
  { out, ...options }: RunOptions & { readonly out: string },
): Promise<TrainingOutcome> {
  const run = new RunFolder(out, config.checkpoints);
  const documents = documentCount(corpus);
  const first = trainingDocuments(documents, config);
  const training = documentsFrom(corpus, 0, first);
  const validation = heldOut ?? (first < documents ? documentsFrom(corpus, first, documents) : undefined);
  const sizes: Sizes = { ...config.sizes, vocabulary: vocabulary.size };
  options.onNote?.(`${corpusLength(training)} tokens, vocabulary ${vocabulary.size}`);

  const { start, ...rest } = config;
  const decisions = options.config ?? { command: 'pretrain', ...rest };
  const parameters =
    start === undefined ? initializeLanguageModel(sizes, config.seed) : toDevice(transferVocabulary(start, vocabulary).tensors);
  const rates = languageModelGroups(sizes).map(() => config.learningRate);
  const settings = { ...config, epochs: full({ rates, epochs: config.epochs }) };
  const task = new LanguageModelTask(sizes, parameters, { training, validation }, settings);
  try {
    const result = await runTraining(task, { ...options, run, config: decisions });
    if (!result.interrupted) {
      const model: StoredModel = {
        description: {
          schemaVersion: MODEL_SCHEMA_VERSION,
          kind: 'languageModel',
          tokenizerVersion: TOKENIZER_VERSION,
          direction: config.backwards ? 'backward' : 'forward',
          sizes,
          chunkLength: config.bptt,
          metrics: metricsOf(result),
          ...(config.dataLicence !== undefined && { dataLicence: config.dataLicence }),
          created: new Date().toISOString(),
        },
        tensors: result.tensors,
        vocabulary,
      };
      const from = start && { created: start.description.created, ...start.description.metrics };
      const card = languageModelCard(model.description, { ...decisions, from });
      await writeModel(out, model, { card, precision: config.storedAs });
    }
    return result;
  } finally {
    task.dispose();
    tf.dispose([...parameters.values()]);
  }
}

/** The figures that a model folder keeps of its training. */
export function metricsOf({ steps, tokens, trainingLoss, measured }: TrainingOutcome): Record<string, number> {
  return { steps, tokens, trainingLoss, ...measured };
}

/** How many documents are trained on. Where no held-out text is given, the last hundredth is set aside, at least one document when there are two. */
function trainingDocuments(documents: number, { validation }: PretrainConfig): number {
  return validation !== undefined || documents < 2 ? documents : documents - Math.max(1, Math.floor(documents / 100));
}

/** @throws UserError where there is too little text to train on */
function refuseTooLittle(offsets: Float64Array, config: PretrainConfig): void {
  const { corpus, batch } = config;
  const tokens = offsets[trainingDocuments(offsets.length - 1, config)] ?? 0;
  if (tokens >= batch * SMALLEST_STREAM) return;
  throw new UserError(
    `${corpus} has ${tokens} tokens for training, too few for ${batch} parallel streams. Give more text or a smaller --batch.`,
  );
}

/** Held-out text that somebody has named, read once. */
class HeldOutText {
  readonly #config: PretrainConfig;
  readonly #signal: AbortSignal | undefined;
  #corpus: TokenCorpus | undefined;

  constructor(config: PretrainConfig, signal: AbortSignal | undefined) {
    this.#config = config;
    this.#signal = signal;
  }

  /** @throws UserError where it cannot be read */
  async read(vocabulary: Vocabulary): Promise<TokenCorpus | undefined> {
    const { validation, text } = this.#config;
    if (validation === undefined) return undefined;
    this.#corpus ??= await encodeWith(readCorpusFields(validation, { text }), vocabulary, { signal: this.#signal });
    return this.#corpus;
  }
}
