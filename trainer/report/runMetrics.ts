import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The file of a run folder that holds what was measured, a JSON object a line. */
export const METRICS_FILE = 'metrics.jsonl';

/**
 * One line of metrics.jsonl: of training steps (`step`, `epoch`, `loss`, `learningRate`, `tokens`), or what was measured on held-out data
 * after an epoch (`step`, `epoch`, `validationLoss`, and others by task).
 */
export interface MetricsLine {
  readonly step: number;
  readonly [name: string]: number | string;
}

/** Whether a line tells of training steps, not of a measurement. */
export function isTrainingLine(line: MetricsLine): boolean {
  return 'learningRate' in line;
}

/** The lines of a folder's metrics.jsonl in their order, without one that was being written when the run was killed. */
export async function readMetrics(folder: string): Promise<MetricsLine[]> {
  const text = await readFile(join(folder, METRICS_FILE), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter(Boolean)
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as MetricsLine];
      } catch {
        return [];
      }
    });
}
