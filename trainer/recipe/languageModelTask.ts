import {
  fixedLengths,
  givenOrder,
  LanguageModelStream,
  shuffledOrder,
  streamLength,
  variableLengths,
  type Window,
} from '../data/languageModelStream.ts';
import { corpusLength, type TokenCorpus } from '../data/tokenCorpus.ts';
import { tf, type Scalar, type Tensor } from '../engine/operations.ts';
import { currentPrecision } from '../engine/precision.ts';
import {
  disposeState,
  drawMasks,
  LANGUAGE_MODEL_DROPOUTS,
  scaleDropouts,
  zeroState,
  type Dropouts,
  type EncoderState,
  type Parameters,
} from '../model/awdLstm.ts';
import { languageModelEntropySum, languageModelLoss, type LanguageModelBatch } from '../model/languageModel.ts';
import { languageModelGroups } from '../model/parameters.ts';
import type { Sizes } from '../model/presets.ts';
import { isNonMonotone } from '../optim/averagedSgd.ts';
import { Optimizer } from '../optim/optimizer.ts';
import type { OptimizerName } from '../optim/rules.ts';
import { SCHEDULES, type ScheduleName } from '../optim/schedules.ts';
import type { EpochRates } from '../optim/unfreezing.ts';
import { adamOf, beta1Of, type RecipeName } from './defaults.ts';
import { RatePlan, tensorRates } from './phases.ts';
import type { StepOutcome, StepPosition, TrainingTask } from './trainingLoop.ts';

/** What decides how a language model is trained. */
export interface LanguageModelSettings {
  /** Parallel streams. */
  readonly batch: number;
  /** Usual window of truncated back-propagation, in tokens. */
  readonly bptt: number;
  /** Peak rates of the layer groups in each epoch. */
  readonly epochs: readonly EpochRates[];
  /** Stop after this many steps in all; the schedule is stretched over them. */
  readonly maxSteps: number;
  readonly schedule: ScheduleName;
  readonly dropMult: number;
  readonly weightDecay: number;
  readonly clip: number;
  readonly seed: number;
  readonly backwards: boolean;
  /** Whose Adam it is; default: the paper's. */
  readonly recipe?: RecipeName | undefined;
  /** Default: Adam. */
  readonly optimizer?: OptimizerName | undefined;
}

/** Trains a language model on a token stream: pretraining and fine-tuning are this task with other settings. */
export class LanguageModelTask implements TrainingTask<Window> {
  readonly optimizer: Optimizer;
  readonly stepsPerEpoch: readonly number[];
  readonly #sizes: Sizes;
  readonly #corpus: TokenCorpus;
  readonly #validation: TokenCorpus | undefined;
  readonly #settings: LanguageModelSettings;
  readonly #dropouts: Dropouts;
  readonly #plan: RatePlan;
  #state: EncoderState;
  /** Of all epochs so far, where averaging waits for them (Merity et al. 2017, algorithm 1: logs). */
  #validationLosses: number[] = [];

  /** @param parameters replaced step by step while training runs */
  constructor(
    sizes: Sizes,
    parameters: Map<string, Tensor>,
    texts: { readonly training: TokenCorpus; readonly validation?: TokenCorpus | undefined },
    settings: LanguageModelSettings,
  ) {
    this.#sizes = sizes;
    this.#corpus = texts.training;
    this.#validation = texts.validation;
    this.#settings = settings;
    this.#dropouts = scaleDropouts(LANGUAGE_MODEL_DROPOUTS, settings.dropMult);
    const { recipe, schedule, weightDecay, clip, optimizer: rule = 'adam' } = settings;
    this.optimizer = new Optimizer(parameters, { ...adamOf(recipe), weightDecay, clip, rule });
    let left = settings.maxSteps;
    this.stepsPerEpoch = settings.epochs.map((_, epoch) => {
      const steps = Math.min(left, this.#windowLengths(epoch).length);
      left -= steps;
      return steps;
    });
    this.#plan = new RatePlan(settings.epochs, this.stepsPerEpoch, SCHEDULES[schedule](), beta1Of(recipe, schedule));
    this.#state = zeroState(sizes, settings.batch);
  }

  get settings(): TrainingTask<Window>['settings'] {
    // Neither epochs nor steps: a run may be made longer.
    const { batch, bptt, schedule, dropMult, weightDecay, clip, seed, backwards, recipe = 'paper', optimizer = 'adam' } = this.#settings;
    return {
      batch,
      bptt,
      schedule,
      dropMult,
      weightDecay,
      clip,
      seed,
      backwards,
      recipe,
      optimizer,
      trainingTokens: corpusLength(this.#corpus),
      precision: currentPrecision(),
    };
  }

  items(epoch: number, first: number): Iterable<Window> {
    const order = shuffledOrder(this.#corpus.offsets.length - 1, { seed: this.#settings.seed, step: epoch });
    return new LanguageModelStream(this.#corpus, order, this.#windowLengths(epoch), this.#settings).windows(first);
  }

  step(window: Window, { step, epoch, stepInEpoch }: StepPosition): StepOutcome {
    const { batch, seed, bptt } = this.#settings;
    const rates = this.#plan.at(epoch, stepInEpoch);
    // Longer windows give steadier gradients, so they may take larger steps (Merity et al. 2017, section 5).
    const scaled = tensorRates(
      languageModelGroups(this.#sizes),
      rates.map((rate) => (rate * window.time) / bptt),
    );
    const crossEntropy = tf.tidy(() => {
      const input = toBatch(window);
      const masks = drawMasks(this.#sizes, batch, this.#dropouts, { seed, step });
      const before = this.#state;
      let reported: Scalar | undefined;
      const total = (): Scalar => {
        const loss = languageModelLoss(this.optimizer.parameters, input, before, masks);
        this.#state = loss.state;
        reported = tf.keep(loss.crossEntropy);
        return loss.total;
      };
      this.optimizer.step(scaled, total, this.#plan.beta1At(epoch, stepInEpoch));
      disposeState(before);
      return reported as Scalar;
    });
    return { loss: crossEntropy, tokens: window.time * window.batch, learningRate: rates.at(-1) ?? 0 };
  }

  endEpoch(): Record<string, number> {
    disposeState(this.#state);
    this.#state = zeroState(this.#sizes, this.#settings.batch);
    if (this.#validation === undefined) return {};
    const validationLoss = languageModelEntropy(this.#sizes, this.learnt(), this.#validation, this.#settings);
    this.#validationLosses.push(validationLoss);
    if (this.#settings.optimizer === 'nt-asgd' && isNonMonotone(this.#validationLosses)) this.optimizer.beginAveraging();
    return { validationLoss, perplexity: Math.exp(validationLoss) };
  }

  learnt(): Map<string, Tensor> {
    return this.optimizer.learnt();
  }

  carriedNumbers(): readonly number[] {
    return this.#validationLosses;
  }

  restoreNumbers(numbers: readonly number[]): void {
    this.#validationLosses = [...numbers];
  }

  carried(): Map<string, Tensor> {
    return new Map(
      this.#state.flatMap(
        ({ hidden, cell }, layer) =>
          [
            [`state.${layer}.hidden`, hidden],
            [`state.${layer}.cell`, cell],
          ] as const,
      ),
    );
  }

  restoreCarried(tensors: ReadonlyMap<string, Tensor>): void {
    disposeState(this.#state);
    const take = (name: string): Tensor => {
      const tensor = tensors.get(name);
      if (tensor === undefined) throw new Error(`the checkpoint has no tensor ${name}`);
      return tf.keep(tensor);
    };
    this.#state = this.#state.map((_, layer) => ({ hidden: take(`state.${layer}.hidden`), cell: take(`state.${layer}.cell`) }));
  }

  dispose(): void {
    this.optimizer.dispose();
    disposeState(this.#state);
  }

  #windowLengths(epoch: number): number[] {
    const { batch, bptt, seed } = this.#settings;
    return variableLengths(streamLength(this.#corpus, batch), bptt, { seed, step: epoch });
  }
}

/**
 * Mean cross-entropy of a language model on held-out text, nats per token: documents in their order, state carried from window to
 * window, no dropout. Its exponential is the perplexity.
 */
export function languageModelEntropy(
  sizes: Sizes,
  parameters: Parameters,
  corpus: TokenCorpus,
  { batch: wanted, bptt, backwards }: { readonly batch: number; readonly bptt: number; readonly backwards: boolean },
): number {
  // A short text is read in fewer streams, because the start of each stream has no context.
  const batch = Math.max(1, Math.min(wanted, Math.floor(corpusLength(corpus) / (4 * bptt))));
  const total = streamLength(corpus, batch);
  const stream = new LanguageModelStream(corpus, givenOrder(corpus.offsets.length - 1), fixedLengths(total, bptt), {
    batch,
    bptt,
    backwards,
  });
  let state = zeroState(sizes, batch);
  let sum = 0;
  for (const window of stream.windows()) {
    const entropy = tf.tidy(() => {
      const before = state;
      const result = languageModelEntropySum(parameters, toBatch(window), before);
      disposeState(before);
      state = result.state;
      return result.sum;
    });
    sum += entropy.dataSync()[0] ?? Number.NaN;
    entropy.dispose();
  }
  disposeState(state);
  return sum / (total * batch);
}

function toBatch({ ids, targets, time, batch }: Window): LanguageModelBatch {
  return { ids: tf.tensor(ids, [time, batch], 'int32'), targets: tf.tensor(targets, [time, batch], 'int32') };
}
