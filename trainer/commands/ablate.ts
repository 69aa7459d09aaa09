import { join } from 'node:path';
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { ablate as runAblation, type AblationOptions } from '../experiments/ablate.ts';
import { ablationCaption, ablationTables } from '../experiments/ablationReport.ts';
import { printJson, printLine } from '../report/results.ts';
import { experimentOptions, experimentSession } from './experimentSession.ts';

/** `ulmfit ablate`: rows of the paper's tables 4 to 7 on one's own data. */
export async function ablate(data: string, command: CommandUnknownOpts): Promise<void> {
  const { json, options } = experimentOptions<AblationOptions>(command);
  const settings: AblationOptions = { out: '', from: '', ...options };
  const result = await experimentSession(options.task, (controls) => runAblation(data, { ...settings, ...controls }));
  if (result?.ablation === undefined) return;
  if (json) return printJson(result.ablation);
  await printLine(`${ablationTables(result.ablation)}\n\n${ablationCaption(result.ablation)}`);
  console.error(`Written to ${['ablation.md', 'ablation.json'].map((name) => join(result.out, name)).join(', ')}`);
}
