import { sortedBatches, sortishBatches } from '../data/documentBatches.ts';
import { tf, type Scalar, type Tensor } from '../engine/operations.ts';
import { currentPrecision } from '../engine/precision.ts';
import { CLASSIFIER_DROPOUTS, drawMasks, scaleDropouts, type Dropouts, type Parameters } from '../model/awdLstm.ts';
import { classifierLogits, classifierLoss, disposeReading, readBeforeWindow } from '../model/classifier.ts';
import { answersOf, type Answering, type Objective, type Targets } from '../model/objective.ts';
import { classifierGroups } from '../model/parameters.ts';
import type { Sizes } from '../model/presets.ts';
import { Optimizer } from '../optim/optimizer.ts';
import { SCHEDULES, type ScheduleName } from '../optim/schedules.ts';
import type { EpochRates } from '../optim/unfreezing.ts';
import { RatePlan, tensorRates } from './phases.ts';
import { adamOf, beta1Of, type RecipeName } from './defaults.ts';
import type { StepOutcome, StepPosition, TrainingTask } from './trainingLoop.ts';
import { validationFigures } from './validation.ts';

/** Encoded documents and what each should be answered with. */
export interface EncodedSet {
  readonly documents: readonly Int32Array[];
  readonly targets: Targets;
}

/** What decides how a classifier is trained. */
export interface ClassifierSettings {
  /** Documents in a batch. */
  readonly batch: number;
  /** Tokens in a chunk. */
  readonly bptt: number;
  /** Last tokens of a document whose chunks carry a gradient. */
  readonly bpttWindow: number;
  /** Peak rates of the layer groups in each epoch. */
  readonly epochs: readonly EpochRates[];
  readonly schedule: ScheduleName;
  readonly dropMult: number;
  readonly weightDecay: number;
  readonly clip: number;
  readonly seed: number;
  /** Whose Adam it is; default: the paper's. */
  readonly recipe?: RecipeName | undefined;
  /** What is learnt; default: one label, all of the same weight. */
  readonly objective?: Objective | undefined;
}

const ONE_LABEL: Objective = { task: 'singleLabel' };

/** Trains a classifier on labelled documents (Howard & Ruder 2018, section 3.3). */
export class ClassifierTask implements TrainingTask<readonly number[]> {
  readonly optimizer: Optimizer;
  readonly stepsPerEpoch: readonly number[];
  readonly #sizes: Sizes;
  readonly #training: EncodedSet;
  readonly #validation: EncodedSet | undefined;
  readonly #settings: ClassifierSettings;
  readonly #dropouts: Dropouts;
  readonly #plan: RatePlan;

  /** @param parameters replaced step by step while training runs */
  constructor(
    sizes: Sizes,
    parameters: Map<string, Tensor>,
    sets: { readonly training: EncodedSet; readonly validation?: EncodedSet | undefined },
    settings: ClassifierSettings,
  ) {
    this.#sizes = sizes;
    this.#training = sets.training;
    this.#validation = sets.validation;
    this.#settings = settings;
    this.#dropouts = scaleDropouts(CLASSIFIER_DROPOUTS, settings.dropMult);
    const { recipe, schedule, weightDecay, clip } = settings;
    this.optimizer = new Optimizer(parameters, { ...adamOf(recipe), weightDecay, clip });
    this.stepsPerEpoch = settings.epochs.map((_, epoch) => this.#batches(epoch).length);
    this.#plan = new RatePlan(settings.epochs, this.stepsPerEpoch, SCHEDULES[schedule](), beta1Of(recipe, schedule));
  }

  get settings(): TrainingTask<unknown>['settings'] {
    const {
      batch,
      bptt,
      bpttWindow,
      epochs,
      schedule,
      dropMult,
      weightDecay,
      clip,
      seed,
      recipe = 'paper',
      objective = ONE_LABEL,
    } = this.#settings;
    return {
      batch,
      bptt,
      bpttWindow,
      schedule,
      dropMult,
      weightDecay,
      clip,
      seed,
      recipe,
      epochs: JSON.stringify(epochs),
      objective: JSON.stringify(objective),
      trainingDocuments: this.#training.documents.length,
      precision: currentPrecision(),
    };
  }

  items(epoch: number, first: number): Iterable<readonly number[]> {
    return this.#batches(epoch).slice(first);
  }

  step(rows: readonly number[], { step, epoch, stepInEpoch }: StepPosition): StepOutcome {
    const documents = rows.map((row) => this.#training.documents[row] as Int32Array);
    const targets = rows.map((row) => this.#training.targets[row] as Float32Array);
    const { objective } = this.#settings;
    const rates = this.#plan.at(epoch, stepInEpoch);
    const key = { seed: this.#settings.seed, step };
    const options = { chunkLength: this.#settings.bptt, window: this.#settings.bpttWindow };
    const parameters = this.optimizer.parameters;
    const loss = tf.tidy(() => {
      // The encoder's output dropout is the head's first dropout (fastai's `get_text_classifier`).
      const { output, ...encoder } = this.#dropouts;
      const masks = drawMasks(this.#sizes, rows.length, { ...encoder, output: 0 }, key);
      const before = readBeforeWindow(this.#sizes, parameters, documents, options, masks);
      let reported: Scalar | undefined;
      let statistics = new Map<string, Tensor>();
      const loss = (): Scalar => {
        const result = classifierLoss(parameters, { documents, targets, objective }, before, options, masks, { dropout: output, key });
        statistics = result.statistics;
        reported = tf.keep(tf.clone(result.loss));
        return result.loss;
      };
      this.optimizer.step(tensorRates(classifierGroups(this.#sizes), rates), loss, this.#plan.beta1At(epoch, stepInEpoch));
      disposeReading(before);
      this.#moveStatistics(statistics);
      return reported as Scalar;
    });
    return { loss, tokens: documents.reduce((sum, ids) => sum + ids.length, 0), learningRate: rates.at(-1) ?? 0 };
  }

  endEpoch(): Record<string, number> {
    if (this.#validation === undefined) return {};
    const { objective = ONE_LABEL } = this.#settings;
    const { documents, targets } = this.#validation;
    return validationFigures(
      objective,
      targets,
      classifierAnswers(this.#sizes, this.optimizer.parameters, documents, this.#settings, objective),
    );
  }

  learnt(): Map<string, Tensor> {
    return this.optimizer.learnt();
  }

  carried(): Map<string, Tensor> {
    return new Map();
  }

  restoreCarried(): void {}

  dispose(): void {
    this.optimizer.dispose();
  }

  #batches(epoch: number): number[][] {
    const lengths = this.#training.documents.map((ids) => ids.length);
    return sortishBatches(lengths, this.#settings.batch, { seed: this.#settings.seed, step: epoch });
  }

  /** Batch norm's running statistics move with every step, without a gradient. */
  #moveStatistics(statistics: ReadonlyMap<string, Tensor>): void {
    for (const [name, tensor] of statistics) {
      this.optimizer.parameters.get(name)?.dispose();
      this.optimizer.parameters.set(name, tensor);
    }
  }
}

/** Documents read at once where only answers are wanted. */
const PREDICTION_BATCH = 32;

/**
 * Answers to documents of any length, without dropout: probabilities of the labels, or a number.
 *
 * @returns one array a document, in the order given; a probability's place is that of its label
 */
export function classifierAnswers(
  sizes: Sizes,
  parameters: Parameters,
  documents: readonly Int32Array[],
  { bptt }: { readonly bptt: number },
  answering: Answering = ONE_LABEL,
): Float32Array[] {
  const result = new Array<Float32Array>(documents.length);
  for (const rows of sortedBatches(
    documents.map((ids) => ids.length),
    PREDICTION_BATCH,
  )) {
    const batch = rows.map((row) => documents[row] as Int32Array);
    const answers = tf.tidy(() => answersOf(answering, classifierLogits(sizes, parameters, batch, { chunkLength: bptt })));
    const values = answers.dataSync<'float32'>();
    const width = answers.shape.at(-1) ?? 0;
    for (const [index, row] of rows.entries()) result[row] = values.slice(index * width, (index + 1) * width);
    answers.dispose();
  }
  return result;
}
