import type { TrainOptions } from '../api/train.ts';

/** What kind of answer is learnt, as flags. */
export interface AnswerFlags {
  readonly multiLabel?: boolean;
  readonly regression?: boolean;
  readonly bounds?: readonly [low: number, high: number];
}

/** The same as the library has it, among a command's other options. */
export function answersOf<Options extends object>({
  multiLabel,
  regression,
  bounds,
  ...options
}: Options & AnswerFlags): Omit<Options, keyof AnswerFlags> & Pick<TrainOptions, 'task' | 'range'> {
  const task = multiLabel === true ? 'multiLabel' : regression === true ? 'regression' : undefined;
  return { ...options, task, range: bounds };
}
