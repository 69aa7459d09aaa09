import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { pretrain as pretrainModel, type PretrainOptions } from '../api/pretrain.ts';
import { chosen } from './config.ts';
import { trainingSession, type SessionOptions } from './trainingSession.ts';

/** `ulmfit pretrain`: step 1, a language model from general text. */
export async function pretrain(corpus: string, command: CommandUnknownOpts): Promise<void> {
  const { json, ...options } = chosen<PretrainOptions & SessionOptions>(command);
  await trainingSession('pretraining', { json }, (controls) => pretrainModel(corpus, { out: '', ...options, ...controls }));
}
