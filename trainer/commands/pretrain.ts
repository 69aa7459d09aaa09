import { kindOf } from '../data/source.ts';
import { PRESETS } from '../model/presets.ts';
import { pretrain as pretrainLanguageModel, type PretrainConfig } from '../recipe/pretrain.ts';
import { UserError } from '../../text/errors.ts';
import type { PretrainOptions } from './options.ts';
import { trainingSession } from './trainingSession.ts';

/**
 * `ulmfit pretrain`: step 1, a language model from general text.
 *
 * @throws UserError for text that cannot be read, too little of it, or an --out that holds an earlier run
 */
export async function pretrain(corpus: string, options: PretrainOptions): Promise<void> {
  if (corpus === '-')
    throw new UserError('A corpus cannot come from standard input, because a resumed run reads it again. Give a file or a folder.');
  await kindOf(corpus); // Before anything is written.
  const preset = PRESETS[options.preset];
  const { batch, bptt, epochs, learningRate, schedule, dropMult, weightDecay, clip, seed, minCount, text } = options;
  const fromTokens = options.maxTokens === undefined ? Number.POSITIVE_INFINITY : Math.ceil(options.maxTokens / (batch * bptt));
  const config: PretrainConfig = {
    corpus,
    validation: options.valid,
    text,
    sizes: {
      vocabulary: options.vocab ?? preset.vocabulary,
      embedding: options.embedding ?? preset.embedding,
      hidden: options.hidden ?? preset.hidden,
      layers: options.layers ?? preset.layers,
    },
    minCount,
    batch,
    bptt,
    epochs,
    learningRate,
    schedule,
    dropMult,
    weightDecay,
    clip,
    seed,
    maxSteps: Math.min(options.maxSteps ?? Number.POSITIVE_INFINITY, fromTokens),
    backwards: options.backwards ?? false,
    storedAs: options.half === true ? 'F16' : 'F32',
    dataLicence: options.dataLicence,
    checkpoints: options.checkpoints,
  };
  const workload = { sizes: config.sizes, tokens: bptt, predictsWords: true };
  await trainingSession('pretraining', options, workload, (session) => pretrainLanguageModel(config, options.out, session));
}
