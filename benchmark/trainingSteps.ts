/** This project's training steps on random words: the recipe's own, as a user gets them. */
import { fixedLengths, givenOrder, LanguageModelStream, streamLength, type Window } from '../trainer/data/languageModelStream.ts';
import { tokenCorpus } from '../trainer/data/tokenCorpus.ts';
import type { Scalar, Tensor } from '../trainer/engine/operations.ts';
import { hostRandom } from '../trainer/engine/random.ts';
import { initializeHead, initializeLanguageModel } from '../trainer/model/initialize.ts';
import { oneHot } from '../trainer/model/objective.ts';
import { classifierGroups, classifierShapes, languageModelGroups } from '../trainer/model/parameters.ts';
import type { Sizes } from '../trainer/model/presets.ts';
import type { Optimizer } from '../trainer/optim/optimizer.ts';
import { ClassifierTask } from '../trainer/recipe/classifierTask.ts';
import { CLASSIFIER_TRAINING, FINE_TUNING, PRETRAINING } from '../trainer/recipe/defaults.ts';
import { LanguageModelTask } from '../trainer/recipe/languageModelTask.ts';
import type { ClassifierWorkload, LanguageModelWorkload, Workload } from './workload.ts';

const SEED = 1;
const RATE = 1e-3;
const CLASSES = 2;
/** Windows of text after which the text begins anew. */
const WINDOWS = 8;

/** Training that can be done step by step. */
export interface TrainingSteps {
  readonly optimizer: Optimizer;
  /** Does the step with a number of the workload; the caller disposes of the loss. */
  step(number: number): Scalar;
}

/** Sets up the training of a workload. */
export function trainingSteps(workload: Workload): TrainingSteps {
  return workload.task === 'lm' ? languageModelSteps(workload) : classifierSteps(workload);
}

/** Steps of language-model training with the recipe's dropouts, regularization and clipping; windows of a fixed length, the state carried. */
function languageModelSteps({ sizes, batch, chunk }: LanguageModelWorkload): TrainingSteps {
  const corpus = tokenCorpus([randomWords(batch * (WINDOWS * chunk + 1), sizes, 0)]);
  const task = new LanguageModelTask(
    sizes,
    initializeLanguageModel(sizes, SEED),
    { training: corpus },
    {
      batch,
      bptt: chunk,
      epochs: [languageModelGroups(sizes).map(() => RATE)],
      maxSteps: WINDOWS,
      schedule: 'constant',
      dropMult: FINE_TUNING.dropMult,
      weightDecay: PRETRAINING.weightDecay,
      clip: PRETRAINING.clip,
      seed: SEED,
      backwards: false,
    },
  );
  const lengths = fixedLengths(streamLength(corpus, batch), chunk).slice(0, WINDOWS);
  const windows = endless(() => new LanguageModelStream(corpus, givenOrder(1), lengths, { batch, bptt: chunk }).windows());
  let done = 0;
  return {
    optimizer: task.optimizer,
    step() {
      const { loss } = task.step(windows.next().value, { step: done, epoch: 0, stepInEpoch: done % WINDOWS });
      done++;
      return loss;
    },
  };
}

/** Steps of classifier training, every layer unfrozen. */
function classifierSteps({ sizes, batch, chunk, window, documents }: ClassifierWorkload): TrainingSteps {
  const words = documents.flat().map((length, index) => randomWords(length, sizes, index));
  const groups = classifierGroups(sizes).length;
  const task = new ClassifierTask(
    sizes,
    classifierParameters(sizes),
    {
      training: {
        documents: words,
        targets: oneHot(
          words.map((_, index) => index % CLASSES),
          CLASSES,
        ),
      },
    },
    {
      batch,
      bptt: chunk,
      bpttWindow: window,
      epochs: [new Array<number>(groups).fill(RATE)],
      schedule: 'constant',
      dropMult: CLASSIFIER_TRAINING.dropMult,
      weightDecay: CLASSIFIER_TRAINING.weightDecay,
      clip: CLASSIFIER_TRAINING.clip,
      seed: SEED,
    },
  );
  const firstRows = documents.map((_, index) => documents.slice(0, index).flat().length);
  let done = 0;
  return {
    optimizer: task.optimizer,
    step(number) {
      const first = firstRows[number] ?? 0;
      const rows = (documents[number] ?? []).map((_, index) => first + index);
      const { loss } = task.step(rows, { step: done, epoch: 0, stepInEpoch: 0 });
      done++;
      return loss;
    },
  };
}

/** A classifier with fresh weights. */
function classifierParameters(sizes: Sizes): Map<string, Tensor> {
  const all = new Map([...initializeLanguageModel(sizes, SEED), ...initializeHead(sizes, CLASSES, SEED)]);
  const wanted = classifierShapes(sizes, CLASSES);
  for (const [name, tensor] of all) if (!wanted.has(name)) tensor.dispose();
  return new Map([...all].filter(([name]) => wanted.has(name)));
}

/** Words without the special tokens. */
function randomWords(count: number, { vocabulary }: Sizes, number: number): Int32Array {
  const random = hostRandom({ seed: SEED, step: number }, 'benchmark words');
  return Int32Array.from({ length: count }, () => 9 + Math.floor(random() * (vocabulary - 9)));
}

/** The items again and again. */
function* endless(items: () => Iterable<Window>): Generator<Window, never> {
  for (;;) yield* items();
}
