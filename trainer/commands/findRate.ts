import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { findRate as test, type FindRateOptions } from '../api/findRate.ts';
import { RANGE_TEST } from '../recipe/rangeTest.ts';
import { createProgress } from '../report/progress.ts';
import { groupsText, rangeTestFigure, rangeTestText, rangeTestWarning, rateText } from '../report/rangeTestReport.ts';
import { printJson, printLine } from '../report/results.ts';
import { answersOf, type AnswerFlags } from './answerFlags.ts';
import { chosen } from './config.ts';

interface FindRateFlags extends AnswerFlags {
  /** Where the picture goes: the beginning of the names of its two files. */
  readonly out?: string;
  readonly json?: boolean;
}

/** `ulmfit find-rate`: a learning-rate range test. Writes nothing but a picture, where it is asked for one. */
export async function findRate(data: string, command: CommandUnknownOpts): Promise<void> {
  const { out, json, ...flags } = chosen<FindRateOptions & FindRateFlags>(command);
  const options: FindRateOptions = { from: '', ...answersOf(flags) };
  const progress = createProgress({ label: 'range test', totalSteps: options.steps ?? RANGE_TEST.steps });
  const found = await test(data, {
    ...options,
    onNote: (text) => console.error(`range test  ${text}`),
    onStep: ({ step, loss, learningRate }) => progress.update({ step, loss, learningRate }),
  });
  progress.done();
  console.error(`range test  ${groupsText(found)}; ${ENDS[found.end]}`);
  if (out !== undefined) {
    const { writeFigure } = await import('../report/chart.ts');
    await writeFigure(out, rangeTestFigure(found, data));
    console.error(`Written to ${out}.svg and ${out}.png`);
  }
  if (json) return printJson(found);
  await printLine(rangeTestText(found));
  const warning = rangeTestWarning(found);
  if (warning !== undefined) console.error(warning);
  const rate = found.suggestions.valley;
  if (rate !== undefined)
    console.error(`\nNext:  ulmfit ${found.step} ${data} --from ${options.from} --learning-rate ${rateText(rate)} --out …`);
}

const ENDS = {
  completed: 'the loss never diverged',
  diverged: 'stopped where the loss diverged',
  interrupted: 'stopped before the end',
} as const;
