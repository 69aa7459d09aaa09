import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCheckpoint } from '../checkpoint/checkpoint.ts';
import type { ModelDescription } from '../checkpoint/modelFolder.ts';
import type { Workload } from '../engine/memory.ts';
import { CHECKPOINT_MINUTES } from '../recipe/defaults.ts';
import { RunFolder } from '../recipe/runFolder.ts';
import type { RunOptions, StepReport, TrainingOutcome } from '../recipe/trainingLoop.ts';
import { writeRunReport } from '../report/runReport.ts';
import { UserError } from '../../text/errors.ts';
import { deviceMemory, isOutOfMemory, outOfMemory } from './outOfMemory.ts';

export type Direction = ModelDescription['direction'];

/** Which way texts are read: from their beginning, from their end, or by two models, one each way. */
export const DIRECTIONS = ['forward', 'backward', 'both'] as const;
export type Directions = (typeof DIRECTIONS)[number];

/** What all training runs have in common. */
export interface RunSettings {
  /** The model folder that is written; checkpoints, metrics and report lie in it too. */
  readonly out: string;
  /** Go on from the newest checkpoint in `out`, if there is one. The run must be told the same as when it began. */
  readonly resume?: boolean | undefined;
  /** Which epoch's model is kept: the last one's (default), or the one with the least validation loss. */
  readonly keep?: 'best' | 'last' | undefined;
  /** Stop after so many epochs without a lower validation loss, and keep the best. */
  readonly earlyStopping?: number | undefined;
  /** Minutes between two checkpoints; default 10. */
  readonly checkpointMinutes?: number | undefined;
  /** Steps between two lines of metrics; default 10. */
  readonly recordEvery?: number | undefined;
  /** Aborting saves a checkpoint and ends the run. */
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((step: StepReport) => void) | undefined;
  /** What a person would like to read meanwhile. */
  readonly onNote?: ((text: string) => void) | undefined;
}

/** How a run ended: one outcome for each direction that was trained. */
export interface RunResult {
  readonly out: string;
  readonly interrupted: boolean;
  readonly members: readonly MemberResult[];
}

export interface MemberResult extends Omit<TrainingOutcome, 'tensors'> {
  readonly direction: Direction;
  /** Its model folder. */
  readonly out: string;
}

/** Steps between two lines of metrics: often enough to see a curve, seldom enough that reading the loss costs nothing. */
const RECORD_EVERY = 10;

/** One model to be trained. */
export interface Member {
  readonly direction: Direction;
  /** Items of a batch, and what a step computes on them: for whoever has too little memory. */
  readonly batch: number;
  readonly workload: Workload;
  readonly checkpoints?: string | undefined;
  readonly train: (out: string, options: RunOptions) => Promise<TrainingOutcome>;
}

/**
 * Trains one model at `out`, or two in the folders of a pair. A member of a pair that is already there is left as it is where the run is resumed.
 *
 * @param config every decision, for config.json
 * @throws UserError where `out` holds an earlier run and `resume` is not given, or a model that is not of this run, or memory is too small
 */
export async function runMembers(settings: RunSettings, config: object, members: readonly Member[]): Promise<RunResult> {
  const { out, resume = false, checkpointMinutes = CHECKPOINT_MINUTES, recordEvery = RECORD_EVERY } = settings;
  const { keep, earlyStopping, signal, onStep, onNote } = settings;
  const places = members.map((member) => ({ member, folder: members.length === 1 ? out : join(out, member.direction) }));
  const done: MemberResult[] = [];
  const started = await Promise.all(places.map(({ member, folder }) => stateOf(folder, member.checkpoints)));
  if (!resume) for (const [index, { folder }] of places.entries()) refuseOverwriting(folder, started[index] ?? 'empty');
  for (const [index, { member, folder }] of places.entries()) {
    if (started[index] === 'finished' && members.length > 1) {
      onNote?.(`${folder} is finished already`);
      continue;
    }
    if (started[index] === 'foreign') refuseOverwriting(folder, 'foreign');
    if (members.length > 1) onNote?.(`${member.direction} model`);
    const run = {
      resume,
      recordEvery,
      keep,
      earlyStopping,
      signal,
      onStep,
      onNote,
      config,
      checkpointEvery: checkpointMinutes * 60_000,
      onEpoch: () => report(folder, onNote),
    };
    const { tensors: _, ...outcome } = await member.train(folder, run).catch(withMemoryAdvice(member));
    done.push({ ...outcome, direction: member.direction, out: folder });
    if (outcome.interrupted) break;
    await report(folder, onNote);
  }
  return { out, interrupted: done.some(({ interrupted }) => interrupted), members: done };
}

/** Makes a run's page anew. Whatever goes wrong with it, training goes on. */
async function report(folder: string, onNote: RunSettings['onNote']): Promise<void> {
  await writeRunReport(folder).catch((error: unknown) =>
    onNote?.(`no report could be written: ${error instanceof Error ? error.message : String(error)}`),
  );
}

type State = 'empty' | 'begun' | 'finished' | 'foreign';

/** What a folder holds: nothing of a run, an unfinished one, a finished one, or a model without a run. */
async function stateOf(folder: string, checkpoints: string | undefined): Promise<State> {
  const begun = await hasCheckpoint(new RunFolder(folder, checkpoints).checkpoints);
  const finished = await exists(join(folder, 'model.json'));
  if (begun) return finished ? 'finished' : 'begun';
  return finished ? 'foreign' : 'empty';
}

function refuseOverwriting(folder: string, state: State): void {
  if (state === 'foreign') throw new UserError(`${folder} holds a model, which would be overwritten. Choose another --out.`);
  if (state !== 'empty') throw new UserError(`${folder} holds an earlier run. Add --resume to go on with it, or choose another --out.`);
}

function withMemoryAdvice({ workload, batch }: Member) {
  return async (error: unknown): Promise<never> => {
    if (!isOutOfMemory(error)) throw error;
    throw outOfMemory(await deviceMemory(), workload, batch);
  };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** What is given, without entries that are undefined, so that defaults show through. */
export function given<Options extends object>(options: Options): { [Name in keyof Options]: Exclude<Options[Name], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}

/** The decisions among a run's options: what config.json keeps. */
export function decisions(options: object): object {
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => value !== undefined && typeof value !== 'function' && !NO_DECISIONS.has(name)),
  );
}

/** Options that decide nothing about the result. */
const NO_DECISIONS = new Set(['out', 'resume', 'signal', 'checkpointMinutes', 'checkpoints', 'config']);
