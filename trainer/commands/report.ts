import { printJson, printLine } from '../report/results.ts';
import { writeRunReports } from '../report/runReport.ts';

export interface ReportOptions {
  readonly json?: boolean | undefined;
}

/**
 * `ulmfit report`: makes the report of a run anew, or those of both runs of a pair, and prints where they are.
 *
 * @throws UserError where the folder is no run's
 */
export async function report(folder: string, { json }: ReportOptions): Promise<void> {
  const reports = await writeRunReports(folder);
  if (json) return printJson({ reports });
  for (const path of reports) await printLine(path);
}
