import { appendFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from '../checkpoint/atomicFile.ts';
import { EVALUATION_FILE } from '../report/evaluation.ts';
import { beginEvents, encodeEvent, scalarsOf } from '../report/runEvents.ts';
import { isTrainingLine, METRICS_FILE, readMetrics, type MetricsLine } from '../report/runMetrics.ts';

export type { MetricsLine };

/**
 * The folder of a run: config.json (every decision), metrics.jsonl (what happened), the same for TensorBoard
 * (`events.out.tfevents.<seconds>.ulmfit`), checkpoints/.
 *
 * The times at which things happened stand in the events alone, so that metrics.jsonl is the same however often a run was interrupted.
 */
export class RunFolder {
  readonly path: string;
  readonly checkpoints: string;
  readonly #now: () => number;
  #events: string | undefined;

  /**
   * @param checkpoints where checkpoints go, if not in the folder itself
   * @param now the clock, in milliseconds since 1970
   */
  constructor(path: string, checkpoints: string = join(path, 'checkpoints'), now: () => number = Date.now) {
    this.path = path;
    this.checkpoints = checkpoints;
    this.#now = now;
  }

  async begin(config: object): Promise<void> {
    await mkdir(this.path, { recursive: true });
    await rm(join(this.path, EVALUATION_FILE), { force: true }); // of what the run came to when it ended before
    await writeFile(join(this.path, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  }

  async record(line: MetricsLine): Promise<void> {
    this.#events ??= await beginEvents(this.path, await readMetrics(this.path), this.#now());
    await appendFile(join(this.path, METRICS_FILE), `${JSON.stringify(line)}\n`);
    await appendFile(this.#events, encodeEvent({ wallTime: this.#now() / 1000, step: line.step, scalars: scalarsOf(line) }));
  }

  /**
   * Takes back what was recorded after a step, because a resumed run will record it again.
   *
   * @param epochs how many epochs were over: what later ones measured is taken back too, though it may stand at the same step
   */
  async rewind(step: number, epochs: number): Promise<void> {
    const kept = (await readMetrics(this.path)).filter((recorded) => {
      const isMeasurement = !isTrainingLine(recorded);
      return recorded.step <= step && !(isMeasurement && Number(recorded['epoch']) > epochs);
    });
    const text = kept.map((line) => `${JSON.stringify(line)}\n`).join('');
    await writeFileAtomically(join(this.path, METRICS_FILE), [new TextEncoder().encode(text)]);
    this.#events = await beginEvents(this.path, kept, this.#now());
  }
}
