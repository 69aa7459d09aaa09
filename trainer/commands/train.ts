import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { train as trainClassifier, type TrainOptions } from '../api/train.ts';
import { answersOf, type AnswerFlags } from './answerFlags.ts';
import { chosen } from './config.ts';
import { trainingSession, type SessionOptions } from './trainingSession.ts';

/** `ulmfit train`: step 3, a classifier on labelled documents. */
export async function train(data: string, command: CommandUnknownOpts): Promise<void> {
  const { json, ...flags } = chosen<TrainOptions & AnswerFlags & SessionOptions>(command);
  const options: TrainOptions = { out: '', ...answersOf(flags) };
  await trainingSession('training', { json }, (controls) => trainClassifier(data, { ...options, ...controls }));
}
