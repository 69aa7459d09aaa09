import { calibrateModel } from '../recipe/calibrateModel.ts';
import { TEMPERATURE_BOUNDS } from '../recipe/calibration.ts';
import { printJson, printLine } from '../report/results.ts';
import { aligned, percent } from '../report/tables.ts';
import type { ComputationOptions } from './options.ts';

export interface CalibrateOptions extends ComputationOptions {
  readonly text?: readonly string[] | undefined;
  readonly label?: string | undefined;
  readonly labelSeparator?: string | undefined;
  readonly json?: boolean | undefined;
}

/**
 * `ulmfit calibrate`: gives a classifier the temperature that suits held-out documents best.
 *
 * @throws UserError for a model that has no probabilities, data that cannot be read, and too few documents
 */
export async function calibrate(folder: string, data: string, { json, ...columns }: CalibrateOptions): Promise<void> {
  const result = await calibrateModel(folder, data, columns);
  const { n, members, before, after } = result;
  for (const member of members) {
    if (!isBound(member.temperature)) continue;
    console.error(
      `${member.folder}: the temperature is at the end of what is looked through. The model tells these ${n} documents apart without a mistake, ` +
        'or hardly at all, so that they do not say how sure it may be. Give more documents.',
    );
  }
  if (json) return printJson(result);
  for (const member of members) {
    await printLine(`temperature  ${member.temperature.toFixed(4)}, was ${member.before.toFixed(4)}  (${member.folder}, ${n} documents)`);
  }
  await printLine('');
  await printLine(
    aligned([
      ['', 'before', 'after'],
      ['calibration error', percent(before.calibrationError), percent(after.calibrationError)],
      ['loss', before.loss.toFixed(4), after.loss.toFixed(4)],
    ]),
  );
}

function isBound(temperature: number): boolean {
  const [lowest, highest] = TEMPERATURE_BOUNDS;
  return temperature === lowest || temperature === highest;
}
