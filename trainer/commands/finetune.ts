import { readModel } from '../checkpoint/modelFolder.ts';
import { FINE_TUNING } from '../recipe/defaults.ts';
import { fineTuneLanguageModel } from '../recipe/fineTuneLanguageModel.ts';
import type { FinetuneOptions } from './options.ts';
import { trainingSession } from './trainingSession.ts';

/**
 * `ulmfit finetune`: step 2, a pretrained language model learns the target text.
 *
 * @throws UserError for text that cannot be read, a model that is no language model, or an --out that holds an earlier run
 */
export async function finetune(data: string, options: FinetuneOptions): Promise<void> {
  const { from, valid, text, epochs, batch, bptt, learningRate, dropMult, maxVocab, seed } = options;
  const pretrained = await readModel(from, 'languageModel');
  const { schedule, weightDecay, clip, minCount } = FINE_TUNING;
  const config = {
    from,
    data,
    validation: valid,
    text,
    epochs,
    batch,
    bptt,
    learningRate,
    dropMult,
    seed,
    maxVocabulary: maxVocab,
    minCount,
    schedule,
    weightDecay,
    clip,
  };
  const workload = { sizes: pretrained.description.sizes, tokens: bptt, predictsWords: true };
  await trainingSession('fine-tuning', options, workload, (session) => fineTuneLanguageModel(pretrained, config, options.out, session));
}
