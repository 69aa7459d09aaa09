import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { UserError } from '../../text/errors.ts';
import { type Evaluation, readEvaluation } from './evaluation.ts';
import { readEvents, type RunEvent } from './runEvents.ts';
import { isTrainingLine, type MetricsLine, readMetrics } from './runMetrics.ts';

/** All that a run folder tells of its run, as far as it is there. */
export interface RunRecord {
  readonly folder: string;
  /** Every decision; empty where there is no config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Of training steps, in their order. */
  readonly training: readonly MetricsLine[];
  /** Of held-out data, in their order. */
  readonly measured: readonly MetricsLine[];
  readonly pace: Pace;
  /** model.json of the finished model. */
  readonly model: Readonly<Record<string, unknown>> | undefined;
  readonly evaluation: Evaluation | undefined;
}

/** How fast a run went, by its events' times; breaks between a stop and a resumption do not count. */
export interface Pace {
  /** Time spent on each epoch, measuring included, in seconds; its epochs count from 1. */
  readonly secondsOfEpoch: ReadonlyMap<number, number>;
  /** Tokens a second up to each recorded step. */
  readonly speeds: readonly { readonly step: number; readonly tokensPerSecond: number }[];
}

/**
 * Reads a run folder.
 *
 * @throws UserError where there is none, or nothing of a run is in it
 */
export async function readRun(folder: string): Promise<RunRecord> {
  const [config, model, evaluation, lines, events] = await Promise.all([
    readJson(join(folder, 'config.json')),
    readJson(join(folder, 'model.json')),
    readEvaluation(folder),
    readMetrics(folder),
    readEvents(folder),
  ]);
  if (config === undefined && evaluation === undefined && lines.length === 0) {
    throw new UserError(
      `${folder} is not a run's folder: it has no config.json, metrics.jsonl or evaluation.json. Name the --out of pretrain, finetune or train.`,
    );
  }
  return {
    folder,
    config: config ?? {},
    training: lines.filter(isTrainingLine),
    measured: lines.filter((line) => !isTrainingLine(line)),
    pace: paceOf(events),
    model,
    evaluation,
  };
}

async function readJson(path: string): Promise<Record<string, unknown> | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw new UserError(`${path} is not valid JSON; the file is damaged.`);
  }
}

/** @param events of all sessions of a run, in their order */
export function paceOf(events: readonly RunEvent[]): Pace {
  const secondsOfEpoch = new Map<number, number>();
  const speeds: { step: number; tokensPerSecond: number }[] = [];
  let previous: RunEvent | undefined;
  /** Where the tokens up to the next record begin; undefined where something else takes time on the way. */
  let from: { readonly step: number; readonly tokens: number; readonly wallTime: number } | undefined;
  for (const event of events) {
    const { wallTime, step, scalars } = event;
    if (scalars === undefined) {
      // A resumed run begins at its checkpoint, not at the last record.
      from = step === 0 ? { step, tokens: 0, wallTime } : undefined;
    } else {
      const { epoch, tokens } = scalars;
      const seconds = Math.max(0, wallTime - (previous?.wallTime ?? wallTime));
      if (epoch !== undefined) secondsOfEpoch.set(epoch, (secondsOfEpoch.get(epoch) ?? 0) + seconds);
      if (tokens === undefined) {
        from = from?.step === step ? { ...from, wallTime } : undefined; // a measurement after the last record, or amid the steps to the next
      } else {
        if (from !== undefined && wallTime > from.wallTime) {
          speeds.push({ step, tokensPerSecond: (tokens - from.tokens) / (wallTime - from.wallTime) });
        }
        from = { step, tokens, wallTime };
      }
    }
    previous = event;
  }
  return { secondsOfEpoch, speeds };
}
