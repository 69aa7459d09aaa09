import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** One line of metrics.jsonl. */
export interface MetricsLine {
  readonly step: number;
  readonly [name: string]: number | string;
}

/** The folder of a run: config.json (every decision), metrics.jsonl (what happened), checkpoints/. */
export class RunFolder {
  readonly path: string;
  readonly checkpoints: string;

  /** @param checkpoints where checkpoints go, if not in the folder itself */
  constructor(path: string, checkpoints: string = join(path, 'checkpoints')) {
    this.path = path;
    this.checkpoints = checkpoints;
  }

  async begin(config: object): Promise<void> {
    await mkdir(this.path, { recursive: true });
    await writeFile(join(this.path, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  }

  async record(line: MetricsLine): Promise<void> {
    await appendFile(join(this.path, 'metrics.jsonl'), `${JSON.stringify(line)}\n`);
  }

  /**
   * Takes back what was recorded after a step, because a resumed run will record it again.
   *
   * @param epochs how many epochs were over: what later ones measured is taken back too, though it may stand at the same step
   */
  async rewind(step: number, epochs: number): Promise<void> {
    const path = join(this.path, 'metrics.jsonl');
    const lines = await readFile(path, 'utf8').then(
      (text) => text.split('\n').filter(Boolean),
      () => [],
    );
    const kept = lines.filter((line) => {
      try {
        const recorded = JSON.parse(line) as MetricsLine;
        const isMeasurement = !('learningRate' in recorded);
        return recorded.step <= step && !(isMeasurement && Number(recorded['epoch']) > epochs);
      } catch {
        return false; // The line that was being written when the run was killed.
      }
    });
    await writeFile(path, kept.map((line) => `${line}\n`).join(''));
  }
}
