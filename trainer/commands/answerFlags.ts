import { Option } from '@commander-js/extra-typings';

import type { TrainOptions } from '../api/train.ts';
import { bounds } from './values.ts';

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

export const multiLabel = () => new Option('--multi-label', 'any number of labels may apply to a document').conflicts('regression');

export const labelSeparator = () =>
  new Option('--label-separator <text>', 'what stands between the labels of a document in a table (default: ";")');

export const regression = () => new Option('--regression', 'the label is a number');

export const range = () => new Option('--bounds <low,high>', 'what the numbers of a regression lie between').argParser(bounds);
