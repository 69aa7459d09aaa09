import { MODEL_SCHEMA_VERSION, writeModel, type ModelDescription, type StoredModel } from '../checkpoint/modelFolder.ts';
import type { TrainingDocument } from '../data/document.ts';
import { encodeDocument } from '../data/encodeDocument.ts';
import { checkLabels, isLabelled, loadLabelledSet } from '../data/labelledSet.ts';
import { readDocuments } from '../data/readers.ts';
import { hostRandom } from '../engine/random.ts';
import { tf, type Tensor } from '../engine/operations.ts';
import { toDevice, toHost } from '../engine/transfer.ts';
import { initializeHead, initializeLanguageModel } from '../model/initialize.ts';
import { classifierGroups, encoderShapes } from '../model/parameters.ts';
import type { Sizes } from '../model/presets.ts';
import { discriminativeRates } from '../optim/discriminative.ts';
import { UNFREEZING, type UnfreezingName } from '../optim/unfreezing.ts';
import { classifierCard } from '../report/modelCard.ts';
import { UserError } from '../../text/errors.ts';
import { TOKENIZER_VERSION, tokenizeFields } from '../../text/tokenizer.ts';
import { Vocabulary, type VocabularyLimits } from '../../text/vocabulary.ts';
import { ClassifierTask, type ClassifierSettings, type EncodedSet } from './classifierTask.ts';
import { metricsOf } from './pretrain.ts';
import { RunFolder } from './runFolder.ts';
import { runTraining, type TrainingOptions, type TrainingOutcome } from './trainingLoop.ts';

/** Where a classifier's encoder comes from: a language model, or nothing. */
export type ClassifierStart =
  | { readonly languageModel: StoredModel }
  | { readonly scratch: { readonly sizes: Sizes; readonly limits: VocabularyLimits } };

/** Every decision of a classifier's training. */
export interface ClassifierConfig extends Omit<ClassifierSettings, 'epochs'> {
  readonly from?: string | undefined;
  /** Labelled documents: a table, JSON Lines, or folders by label. */
  readonly data: string;
  /** Held-out documents; where there are none, `validationFraction` of the data. */
  readonly validation?: string | undefined;
  readonly validationFraction: number;
  readonly text?: readonly string[] | undefined;
  readonly label?: string | undefined;
  /** Train on this many labelled documents, the same number of each label; undefined for all. */
  readonly labels?: number | undefined;
  readonly epochs: number;
  readonly learningRate: number;
  readonly unfreezing: UnfreezingName;
  readonly discriminative: boolean;
}

/** Fewest steps an epoch should have: with few documents, a smaller batch gives the optimizer more of them. */
const STEPS_PER_EPOCH = 8;
const SMALLEST_BATCH = 4;

/**
 * Step 3 of ULMFiT (Howard & Ruder 2018, section 3.3): a classifier on top of a language model, trained with gradual unfreezing and
 * discriminative rates. Writes a model folder at `out`.
 */
export async function trainClassifier(
  start: ClassifierStart,
  config: ClassifierConfig,
  out: string,
  options: Omit<TrainingOptions, 'run' | 'config'>,
): Promise<TrainingOutcome> {
  const run = new RunFolder(out);
  const { training, validation, labels } = await readSets(config);
  const batch = Math.max(SMALLEST_BATCH, Math.min(config.batch, Math.floor(training.length / STEPS_PER_EPOCH)));
  const { vocabulary, sizes, description } = startingPoint(start, training);
  const encode = (documents: readonly TrainingDocument[]): EncodedSet => ({
    documents: documents.map(({ fields }) => encodeDocument(fields, vocabulary, description.direction)),
    classes: documents.map(({ label }) => labels.indexOf(label)),
  });
  options.onNote?.(`${training.length} documents to train on, ${validation.length} held out, ${labels.length} labels, batches of ${batch}`);

  const parameters = startingParameters(start, sizes, labels.length, config.seed);
  const groups = classifierGroups(sizes).length;
  const rates = config.discriminative
    ? discriminativeRates(config.learningRate, groups)
    : new Array<number>(groups).fill(config.learningRate);
  const settings: ClassifierSettings = { ...config, batch, epochs: UNFREEZING[config.unfreezing]({ rates, epochs: config.epochs }) };
  const sets = { training: encode(training), validation: validation.length > 0 ? encode(validation) : undefined };
  const task = new ClassifierTask(sizes, parameters, sets, settings);
  try {
    const result = await runTraining(task, { ...options, run, config: { command: 'train', ...config, batch, labelNames: labels } });
    if (!result.interrupted) {
      const finished: ModelDescription = {
        ...description,
        kind: 'classifier',
        sizes,
        labels: [...labels],
        chunkLength: config.bptt,
        metrics: metricsOf(result),
        created: new Date().toISOString(),
      };
      await writeModel(out, { description: finished, tensors: toHost(parameters), vocabulary }, { card: classifierCard(finished, config) });
    }
    return result;
  } finally {
    task.dispose();
    tf.dispose([...parameters.values()]);
  }
}

/**
 * Reads the labelled documents and decides which are trained on and which are held out.
 *
 * @throws UserError for data that cannot be read or learnt from
 */
export async function readSets(
  config: Pick<ClassifierConfig, 'data' | 'validation' | 'validationFraction' | 'text' | 'label' | 'labels' | 'seed'>,
): Promise<{ training: TrainingDocument[]; validation: TrainingDocument[]; labels: readonly string[] }> {
  const columns = { text: config.text, label: config.label };
  const { documents, labels } = await loadLabelledSet(config.data, columns);
  let training = [...documents];
  let validation: TrainingDocument[] = [];
  if (config.validation !== undefined) {
    for await (const document of readDocuments(config.validation, columns)) {
      if (isLabelled(document)) validation.push(document);
    }
    checkLabels(validation, labels);
  } else {
    validation = takeShare(training, Math.round(training.length * config.validationFraction), config.seed);
    const heldOut = new Set(validation);
    training = training.filter((document) => !heldOut.has(document));
  }
  if (config.labels !== undefined) {
    if (config.labels > training.length) {
      throw new UserError(`--labels ${config.labels}: ${config.data} has only ${training.length} documents to train on.`);
    }
    training = takeBalanced(training, config.labels, config.seed);
  }
  const without = labels.find((label) => !training.some((document) => document.label === label));
  if (without !== undefined) {
    throw new UserError(`No document with the label "${without}" is left to train on. Hold out fewer documents, or take more --labels.`);
  }
  return { training, validation, labels };
}

/** The documents of each label in a random order, with the numbers in [0, 1) that they were ordered by. */
function shuffledByLabel(
  documents: readonly TrainingDocument[],
  seed: number,
  site: string,
): Map<string, { document: TrainingDocument; key: number }[]> {
  const random = hostRandom({ seed, step: 0 }, site);
  const keyed = documents.map((document) => ({ document, key: random() })).toSorted((a, b) => a.key - b.key);
  return Map.groupBy(keyed, ({ document }) => document.label);
}

/** Draws documents at random, of each label in proportion to how often it comes, so that they are like the whole. One of each label stays. */
function takeShare(documents: readonly TrainingDocument[], count: number, seed: number): TrainingDocument[] {
  return [...shuffledByLabel(documents, seed, 'validation').values()]
    .flatMap((ofLabel) => ofLabel.slice(0, -1).map(({ document, key }, rank) => ({ document, place: (rank + key) / ofLabel.length })))
    .toSorted((a, b) => a.place - b.place)
    .slice(0, count)
    .map(({ document }) => document);
}

/** Draws documents at random, label by label in turn, so that each label has its share as long as it lasts. */
function takeBalanced(documents: readonly TrainingDocument[], count: number, seed: number): TrainingDocument[] {
  const byLabel = shuffledByLabel(documents, seed, 'labels');
  const taken: TrainingDocument[] = [];
  for (let round = 0; taken.length < count; round++) {
    for (const label of [...byLabel.keys()].toSorted()) {
      const next = byLabel.get(label)?.[round];
      if (next !== undefined && taken.length < count) taken.push(next.document);
    }
  }
  return taken;
}

function startingPoint(
  start: ClassifierStart,
  training: readonly TrainingDocument[],
): { vocabulary: Vocabulary; sizes: Sizes; description: Omit<ModelDescription, 'kind' | 'sizes' | 'created' | 'chunkLength'> } {
  if ('languageModel' in start) {
    const { description, vocabulary } = start.languageModel;
    return { vocabulary, sizes: description.sizes, description };
  }
  const counts = new Map<string, number>();
  for (const { fields } of training) for (const token of tokenizeFields(fields)) counts.set(token, (counts.get(token) ?? 0) + 1);
  const vocabulary = Vocabulary.fromCounts(counts, start.scratch.limits);
  return {
    vocabulary,
    sizes: { ...start.scratch.sizes, vocabulary: vocabulary.size },
    description: { schemaVersion: MODEL_SCHEMA_VERSION, tokenizerVersion: TOKENIZER_VERSION, direction: 'forward' },
  };
}

function startingParameters(start: ClassifierStart, sizes: Sizes, classes: number, seed: number): Map<string, Tensor> {
  const all = 'languageModel' in start ? toDevice(start.languageModel.tensors) : initializeLanguageModel(sizes, seed);
  const encoder = new Map([...encoderShapes(sizes).keys()].map((name) => [name, all.get(name) as Tensor]));
  all.get('decoder.bias')?.dispose();
  return new Map([...encoder, ...initializeHead(sizes, classes, seed)]);
}
