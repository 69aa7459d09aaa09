import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { fineTune, type FineTuneOptions } from '../api/fineTune.ts';
import { chosen } from './config.ts';
import { trainingSession, type SessionOptions } from './trainingSession.ts';

/** `ulmfit finetune`: step 2, a pretrained language model learns the target text. */
export async function finetune(data: string, command: CommandUnknownOpts): Promise<void> {
  const { json, ...options } = chosen<FineTuneOptions & SessionOptions>(command);
  await trainingSession('fine-tuning', { json }, (controls) => fineTune(data, { out: '', from: '', ...options, ...controls }));
}
