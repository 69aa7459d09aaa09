import { readModel } from '../checkpoint/modelFolder.ts';
import { PRESETS } from '../model/presets.ts';
import { CLASSIFIER_TRAINING, PRETRAINING } from '../recipe/defaults.ts';
import { trainClassifier, type ClassifierStart } from '../recipe/trainClassifier.ts';
import type { TrainOptions } from './options.ts';
import { trainingSession } from './trainingSession.ts';

/**
 * `ulmfit train`: step 3, a classifier on labelled documents.
 *
 * @throws UserError for data that cannot be read or learnt from, a model that is no language model, or an --out that holds an earlier run
 */
export async function train(data: string, options: TrainOptions): Promise<void> {
  const { from, valid, validFraction, text, label, labels, epochs, batch, bptt, bpttWindow, learningRate, schedule } = options;
  const start: ClassifierStart =
    from === undefined
      ? { scratch: { sizes: PRESETS.small, limits: { maxSize: PRESETS.small.vocabulary, minCount: PRETRAINING.minCount } } }
      : { languageModel: await readModel(from, 'languageModel') };
  const config = {
    from,
    data,
    text,
    label,
    labels,
    epochs,
    batch,
    bptt,
    bpttWindow,
    learningRate,
    schedule,
    validation: valid,
    validationFraction: validFraction,
    unfreezing: from === undefined ? ('full' as const) : options.unfreezing,
    discriminative: from !== undefined && options.discriminative,
    dropMult: options.dropMult,
    seed: options.seed,
    weightDecay: CLASSIFIER_TRAINING.weightDecay,
    clip: CLASSIFIER_TRAINING.clip,
  };
  const sizes = 'scratch' in start ? start.scratch.sizes : start.languageModel.description.sizes;
  const workload = { sizes, tokens: bpttWindow, predictsWords: false };
  await trainingSession('training', options, workload, (session) => trainClassifier(start, config, options.out, session));
}
