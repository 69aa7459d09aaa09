import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeModel, MODEL_SCHEMA_VERSION, type StoredModel } from '../checkpoint/modelFolder.ts';
import { readCorpusFields } from '../data/corpus.ts';
import { cachedCorpus, encodeCorpus, encodeWith, type EncodedCorpus } from '../data/encodeCorpus.ts';
import { corpusLength, type TokenCorpus } from '../data/tokenCorpus.ts';
import { tf } from '../engine/operations.ts';
import { TOKENIZER_VERSION } from '../../text/tokenizer.ts';
import { UserError } from '../../text/errors.ts';
import { initializeLanguageModel } from '../model/initialize.ts';
import { languageModelGroups } from '../model/parameters.ts';
import type { Sizes } from '../model/presets.ts';
import { full } from '../optim/unfreezing.ts';
import { languageModelCard } from '../report/modelCard.ts';
import { LanguageModelTask, type LanguageModelSettings } from './languageModelTask.ts';
import { RunFolder } from './runFolder.ts';
import { runTraining, type RunOptions, type TrainingOutcome } from './trainingLoop.ts';

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
}

/** Fewest tokens that are worth a step for each stream. */
const SMALLEST_STREAM = 8;

/**
 * Step 1 of ULMFiT (Howard & Ruder 2018, section 3.1): a language model from general text. Writes a model folder at `out`.
 * The corpus, tokenized, and the checkpoints lie in the same folder, so `resume` goes on where a run was stopped.
 */
export async function pretrain(config: PretrainConfig, out: string, options: RunOptions): Promise<TrainingOutcome> {
  const run = new RunFolder(out, config.checkpoints);
  const note = options.onNote ?? (() => {});

  const cache = config.corpusCache ?? join(out, 'corpus');
  // A run that begins anew reads its text anew, because that may have changed.
  if (!options.resume && config.corpusCache === undefined) await rm(cache, { recursive: true, force: true });
  let checked: Texts | undefined;
  const encoded = await cachedCorpus(
    cache,
    JSON.stringify([config.corpus, config.sizes.vocabulary, config.minCount, ...(config.text ?? [])]),
    async () => {
      const made = await encodeCorpus(
        readCorpusFields(config.corpus, { text: config.text }),
        { maxSize: config.sizes.vocabulary, minCount: config.minCount },
        { onProgress: everyTenMillion((millions) => note(`tokenized ${millions} million tokens`)) },
      );
      checked = await splitTexts(made, config); // Before anything is written.
      return made;
    },
  );
  const { training, validation } = checked ?? (await splitTexts(encoded, config));
  const { vocabulary } = encoded;
  const sizes: Sizes = { ...config.sizes, vocabulary: vocabulary.size };
  note(`${corpusLength(training)} tokens, vocabulary ${vocabulary.size}`);

  const parameters = initializeLanguageModel(sizes, config.seed);
  const rates = languageModelGroups(sizes).map(() => config.learningRate);
  const settings = { ...config, epochs: full({ rates, epochs: config.epochs }) };
  const task = new LanguageModelTask(sizes, parameters, { training, validation }, settings);
  try {
    const result = await runTraining(task, { ...options, run, config: options.config ?? { command: 'pretrain', ...config } });
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
      await writeModel(out, model, { card: languageModelCard(model.description, config), precision: config.storedAs });
    }
    return result;
  } finally {
    task.dispose();
    tf.dispose([...parameters.values()]);
  }
}

interface Texts {
  readonly training: TokenCorpus;
  readonly validation: TokenCorpus | undefined;
}

/** @throws UserError where there is too little text to train on, or the held-out text cannot be read */
async function splitTexts({ corpus, vocabulary }: EncodedCorpus, config: PretrainConfig): Promise<Texts> {
  const [training, heldOut] = config.validation === undefined ? holdOut(corpus) : [corpus, undefined];
  if (corpusLength(training) < config.batch * SMALLEST_STREAM) {
    throw new UserError(
      `${config.corpus} has ${corpusLength(training)} tokens for training, too few for ${config.batch} parallel streams. Give more text or a smaller --batch.`,
    );
  }
  if (config.validation === undefined) return { training, validation: heldOut };
  return { training, validation: await encodeWith(readCorpusFields(config.validation, { text: config.text }), vocabulary) };
}

/** The figures that a model folder keeps of its training. */
export function metricsOf({ steps, tokens, trainingLoss, measured }: TrainingOutcome): Record<string, number> {
  return { steps, tokens, trainingLoss, ...measured };
}

/** Calls back each time a count passes another ten million. */
function everyTenMillion(report: (millions: number) => void): (tokens: number) => void {
  let reported = 0;
  return (tokens) => {
    if (tokens < reported + 10e6) return;
    reported = Math.floor(tokens / 10e6) * 10e6;
    report(reported / 1e6);
  };
}

/** Sets the last hundredth of the documents aside, at least one when there are two. */
function holdOut(corpus: TokenCorpus): [TokenCorpus, TokenCorpus | undefined] {
  const documents = corpus.offsets.length - 1;
  if (documents < 2) return [corpus, undefined];
  const first = documents - Math.max(1, Math.floor(documents / 100));
  const cut = corpus.offsets[first] ?? 0;
  return [
    { ids: corpus.ids.subarray(0, cut), offsets: corpus.offsets.slice(0, first + 1) },
    { ids: corpus.ids.subarray(cut), offsets: corpus.offsets.slice(first).map((offset) => offset - cut) },
  ];
}
