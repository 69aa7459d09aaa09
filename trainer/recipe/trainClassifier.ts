import { MODEL_SCHEMA_VERSION, writeModel, type HostTensor, type ModelDescription, type StoredModel } from '../checkpoint/modelFolder.ts';
import type { TargetDocument } from '../data/document.ts';
import { encodeDocument } from '../data/encodeDocument.ts';
import { targetOf } from '../data/labelledSet.ts';
import { tf, type Tensor } from '../engine/operations.ts';
import { toDevice } from '../engine/transfer.ts';
import { initializeHead, initializeLanguageModel } from '../model/initialize.ts';
import type { Objective, Scale, Targets } from '../model/objective.ts';
import { classifierGroups, encoderShapes } from '../model/parameters.ts';
import type { Sizes } from '../model/presets.ts';
import { outputsOf, type Task } from '../model/task.ts';
import { discriminativeRates } from '../optim/discriminative.ts';
import { UNFREEZING, type EpochRates, type UnfreezingName } from '../optim/unfreezing.ts';
import { classifierCard } from '../report/modelCard.ts';
import { TOKENIZER_VERSION, tokenizeFields } from '../../text/tokenizer.ts';
import { Vocabulary, type VocabularyLimits } from '../../text/vocabulary.ts';
import { ClassifierTask, type ClassifierSettings, type EncodedSet } from './classifierTask.ts';
import { readSets, type SplitConfig } from './heldOut.ts';
import { metricsOf } from './pretrain.ts';
import { RunFolder } from './runFolder.ts';
import { runTraining, type RunOptions, type TrainingOutcome } from './trainingLoop.ts';

/** Where a classifier's encoder comes from: a language model, or nothing. */
export type ClassifierStart =
  | { readonly languageModel: StoredModel }
  | {
      readonly scratch: { readonly sizes: Sizes; readonly limits: VocabularyLimits; readonly direction?: ModelDescription['direction'] };
    };

/** How much each label weighs: all the same, or as much as all others however seldom it comes. */
export const LABEL_WEIGHTS = ['none', 'balanced'] as const;
export type LabelWeights = (typeof LABEL_WEIGHTS)[number];

/** Every decision of a classifier's training. */
export interface ClassifierConfig extends Omit<ClassifierSettings, 'epochs' | 'objective'>, SplitConfig {
  readonly from?: string | undefined;
  readonly epochs: number;
  /** As many epochs more as this many steps take. */
  readonly fewestSteps?: number | undefined;
  readonly learningRate: number;
  readonly unfreezing: UnfreezingName;
  readonly discriminative: boolean;
  /** Bounds of the numbers of a regression. */
  readonly range?: readonly [low: number, high: number] | undefined;
  readonly labelWeights?: LabelWeights | undefined;
  /** Store the finished weights in 16 bits. */
  readonly half?: boolean | undefined;
}

/** Fewest steps an epoch should have: with few documents, a smaller batch gives the optimizer more of them. */
const STEPS_PER_EPOCH = 8;
const SMALLEST_BATCH = 4;

/** A classifier that stands ready to learn labelled documents. */
export interface PreparedClassifier {
  readonly task: ClassifierTask;
  readonly objective: Objective;
  /** None for regression. */
  readonly labels: readonly string[];
  readonly vocabulary: Vocabulary;
  readonly sizes: Sizes;
  readonly description: StartDescription;
  /** Documents in a step: fewer than wanted where there are few documents. */
  readonly batch: number;
  readonly dispose: () => void;
}

/** What of a model's description is settled before it is trained. */
type StartDescription = Omit<ModelDescription, 'kind' | 'sizes' | 'created' | 'chunkLength'>;

/**
 * Reads the documents and makes a classifier ready to learn them.
 *
 * @param plan what an epoch trains, from the rate that each layer group has when it is trained, and the steps of an epoch
 * @throws UserError for data that cannot be read or learnt from
 */
export async function prepareClassifier(
  start: ClassifierStart,
  config: Omit<ClassifierConfig, 'epochs' | 'unfreezing'>,
  plan: (rates: readonly number[], stepsPerEpoch: number) => EpochRates[],
  onNote?: (text: string) => void,
): Promise<PreparedClassifier> {
  const { task: kind = 'singleLabel' } = config;
  const { training, validation, labels, notes } = await readSets(config);
  const batch = Math.max(SMALLEST_BATCH, Math.min(config.batch, Math.floor(training.length / STEPS_PER_EPOCH)));
  const { vocabulary, sizes, description } = startingPoint(start, training);
  const encode = (documents: readonly TargetDocument[]): EncodedSet => ({
    documents: documents.map(({ fields }) => encodeDocument(fields, vocabulary, description.direction)),
    targets: documents.map((document) => targetOf(document, kind, labels)),
  });
  for (const note of notes) onNote?.(note);
  const answers = kind === 'regression' ? 'a number' : `${labels.length} labels`;
  onNote?.(`${training.length} documents to train on, ${validation.length} held out, ${answers}, batches of ${batch}`);

  const sets = { training: encode(training), validation: validation.length > 0 ? encode(validation) : undefined };
  const objective = objectiveOf(kind, sets.training.targets, config);
  const parameters = startingParameters(start, sizes, outputsOf(kind, labels), config.seed);
  if (config.range !== undefined && objective.scale !== undefined) startAtMean(parameters, config.range, objective.scale);
  const groups = classifierGroups(sizes).length;
  const rates = config.discriminative
    ? discriminativeRates(config.learningRate, groups)
    : new Array<number>(groups).fill(config.learningRate);
  const task = new ClassifierTask(sizes, parameters, sets, {
    ...config,
    batch,
    objective,
    epochs: plan(rates, Math.ceil(training.length / batch)),
  });
  const dispose = (): void => {
    task.dispose();
    tf.dispose([...parameters.values()]);
  };
  return { task, objective, labels, vocabulary, sizes, description, batch, dispose };
}

/**
 * Step 3 of ULMFiT (Howard & Ruder 2018, section 3.3): a classifier on top of a language model, trained with gradual unfreezing and
 * discriminative rates. Writes a model folder at `out`.
 */
export async function trainClassifier(
  start: ClassifierStart,
  config: ClassifierConfig,
  out: string,
  options: RunOptions,
): Promise<TrainingOutcome> {
  const { fewestSteps = 0, ...asked } = config;
  const plan = (rates: readonly number[], stepsPerEpoch: number): EpochRates[] =>
    UNFREEZING[asked.unfreezing]({ rates, epochs: Math.max(asked.epochs, Math.ceil(fewestSteps / stepsPerEpoch)) });
  const { task, objective, labels, vocabulary, sizes, description, batch, dispose } = await prepareClassifier(
    start,
    asked,
    plan,
    options.onNote,
  );
  try {
    const run = new RunFolder(out);
    const decisions = {
      ...(options.config ?? { command: 'train', ...asked }),
      batch,
      epochs: task.stepsPerEpoch.length,
      ...(labels.length > 0 && { labelNames: labels }),
    };
    const result = await runTraining(task, { ...options, run, config: decisions });
    if (!result.interrupted) {
      const finished: ModelDescription = {
        ...description,
        kind: 'classifier',
        task: config.task ?? 'singleLabel',
        sizes,
        labels: [...labels],
        ...(config.range !== undefined && { range: [...config.range] }),
        chunkLength: config.bptt,
        metrics: metricsOf(result),
        created: new Date().toISOString(),
      };
      const tensors = config.range === undefined ? rescaled(result.tensors, objective.scale) : result.tensors;
      const precision = config.half === true ? 'F16' : 'F32';
      await writeModel(out, { description: finished, tensors, vocabulary }, { card: classifierCard(finished, decisions), precision });
    }
    return result;
  } finally {
    dispose();
  }
}

function startingPoint(
  start: ClassifierStart,
  training: readonly TargetDocument[],
): { vocabulary: Vocabulary; sizes: Sizes; description: StartDescription } {
  if ('languageModel' in start) {
    const { description, vocabulary } = start.languageModel;
    return { vocabulary, sizes: description.sizes, description };
  }
  const counts = new Map<string, number>();
  for (const { fields } of training) for (const token of tokenizeFields(fields)) counts.set(token, (counts.get(token) ?? 0) + 1);
  const vocabulary = Vocabulary.fromCounts(counts, start.scratch.limits);
  const { direction = 'forward' } = start.scratch;
  return {
    vocabulary,
    sizes: { ...start.scratch.sizes, vocabulary: vocabulary.size },
    description: { schemaVersion: MODEL_SCHEMA_VERSION, tokenizerVersion: TOKENIZER_VERSION, direction },
  };
}

function startingParameters(start: ClassifierStart, sizes: Sizes, outputs: number, seed: number): Map<string, Tensor> {
  const all = 'languageModel' in start ? toDevice(start.languageModel.tensors) : initializeLanguageModel(sizes, seed);
  const encoder = new Map([...encoderShapes(sizes).keys()].map((name) => [name, all.get(name) as Tensor]));
  all.get('decoder.bias')?.dispose();
  return new Map([...encoder, ...initializeHead(sizes, outputs, seed)]);
}

function objectiveOf(task: Task, targets: Targets, { range, labelWeights }: Pick<ClassifierConfig, 'range' | 'labelWeights'>): Objective {
  if (task === 'regression') return { task, range, scale: scaleOf(targets.map(([value = 0]) => value)) };
  return labelWeights === 'balanced' ? { task, labelWeights: balancedWeights(task, targets) } : { task };
}

function scaleOf(values: readonly number[]): Scale {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(variance) || 1 };
}

/** The first answer between bounds is the mean of the numbers, not the middle of the bounds. */
function startAtMean(parameters: Map<string, Tensor>, [low, high]: readonly [number, number], { mean }: Scale): void {
  const share = Math.min(0.99, Math.max(0.01, (mean - low) / (high - low)));
  parameters.get('head.1.bias')?.dispose();
  parameters.set('head.1.bias', tf.tensor1d([Math.log(share / (1 - share))]));
}

/** One label: documents / (labels · documents of the label). Several: documents without it / documents with it. */
function balancedWeights(task: Task, targets: Targets): number[] {
  const labels = targets[0]?.length ?? 0;
  return Array.from({ length: labels }, (_, label) => {
    const having = targets.reduce((sum, target) => sum + (target[label] ?? 0), 0);
    return task === 'singleLabel' ? targets.length / (labels * having) : (targets.length - having) / having;
  });
}

/** Outputs of mean 0 and deviation 1 become the numbers themselves: the last layer takes the scale over. */
function rescaled(tensors: ReadonlyMap<string, HostTensor>, scale: Scale | undefined): ReadonlyMap<string, HostTensor> {
  if (scale === undefined) return tensors;
  const changed = new Map(tensors);
  const change = (name: string, of: (value: number) => number): void => {
    const { shape, data } = tensors.get(name) as HostTensor;
    changed.set(name, { shape, data: data.map(of) });
  };
  change('head.1.weight', (value) => value * scale.deviation);
  change('head.1.bias', (value) => value * scale.deviation + scale.mean);
  return changed;
}
