import { join } from 'node:path';
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { type CurveOptions, measureCurve } from '../experiments/curve.ts';
import { curveSentences, curveTable } from '../experiments/curveReport.ts';
import { printJson, printLine } from '../report/results.ts';
import { experimentOptions, experimentSession } from './experimentSession.ts';

/** `ulmfit curve`: what labels are worth, with a language model and from scratch. */
export async function curve(data: string, command: CommandUnknownOpts): Promise<void> {
  const { json, options } = experimentOptions<CurveOptions>(command);
  const settings: CurveOptions = { out: '', from: '', labels: [], ...options };
  const result = await experimentSession(options.task, (controls) => measureCurve(data, { ...settings, ...controls }));
  if (result?.curve === undefined) return;
  if (json) return printJson(result.curve);
  await printLine(curveTable(result.curve));
  const sentences = curveSentences(result.curve);
  if (sentences.length > 0) await printLine(`\n${sentences.join('\n')}`);
  console.error(`Written to ${['curve.svg', 'curve.png', 'curve.json'].map((name) => join(result.out, name)).join(', ')}`);
}
