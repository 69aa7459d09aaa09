import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../text/errors.ts';
import { syncFolder, writeFileAtomically } from './atomicFile.ts';
import { floatValues, readSafetensors, writeSafetensors, type Tensor as FileTensor } from './safetensors.ts';
import type { HostTensor } from './modelFolder.ts';

/** What a run must remember to go on as if it had never stopped. */
export interface Checkpoint<Progress> {
  /** Everything on the device: parameters, moments, carried state. */
  readonly tensors: ReadonlyMap<string, HostTensor>;
  /** Everything on the host, as JSON: counters, and the settings that must not change. */
  readonly progress: Progress;
}

const COMPLETE = 'complete';

/** How many checkpoints stay; the one before the newest is the way out when a disk turns out to be bad. */
const KEPT = 2;

/**
 * Writes a checkpoint under `folder/step-…`, whole or not at all: a temporary folder, fsynced, renamed, its marker file last.
 * Older checkpoints are removed, but for one.
 */
export async function saveCheckpoint<Progress>(folder: string, step: number, checkpoint: Checkpoint<Progress>): Promise<void> {
  const name = `step-${String(step).padStart(9, '0')}`;
  const final = join(folder, name);
  const temporary = join(folder, `.${name}.${process.pid}.tmp`);
  await mkdir(temporary, { recursive: true });
  const tensors = new Map<string, FileTensor>();
  for (const [tensorName, { shape, data }] of checkpoint.tensors) tensors.set(tensorName, { dtype: 'F32', shape, data });
  await writeSafetensors(join(temporary, 'tensors.safetensors'), tensors);
  await writeFileAtomically(join(temporary, 'progress.json'), [encode(JSON.stringify(checkpoint.progress))]);
  await remove(final);
  await rename(temporary, final);
  await syncFolder(folder);
  await writeFileAtomically(join(final, COMPLETE), [encode('')]);
  await removeOld(folder);
}

/** The newest complete checkpoint in a folder; undefined when there is none. */
export async function latestCheckpoint<Progress>(folder: string): Promise<Checkpoint<Progress> | undefined> {
  const newest = (await completeCheckpoints(folder)).at(-1);
  if (newest === undefined) return undefined;
  const path = join(folder, newest);
  const cure = `Remove ${path} to resume from the checkpoint before it.`;
  const file = await readSafetensors(join(path, 'tensors.safetensors')).catch((error: unknown) => {
    throw error instanceof UserError ? new UserError(`${error.message} ${cure}`, { cause: error }) : error;
  });
  const tensors = new Map([...file.tensors].map(([name, { shape }]) => [name, { shape, data: floatValues(file.tensors, name) }]));
  try {
    return { tensors, progress: JSON.parse(await readFile(join(path, 'progress.json'), 'utf8')) as Progress };
  } catch {
    throw new UserError(`${join(path, 'progress.json')} cannot be read. ${cure}`);
  }
}

/** True when a run was begun in this folder. */
export async function hasCheckpoint(folder: string): Promise<boolean> {
  return (await completeCheckpoints(folder)).length > 0;
}

async function completeCheckpoints(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((): string[] => []);
  const complete: string[] = [];
  for (const name of names.filter((candidate) => candidate.startsWith('step-')).toSorted()) {
    const files = await readdir(join(folder, name)).catch((): string[] => []);
    if (files.includes(COMPLETE)) complete.push(name);
  }
  return complete;
}

async function removeOld(folder: string): Promise<void> {
  const complete = await completeCheckpoints(folder);
  for (const name of complete.slice(0, -KEPT)) await remove(join(folder, name));
  // What a killed run left half-written. A live run has nothing of the kind while this runs: its own has just been completed.
  for (const name of await readdir(folder)) {
    const unfinished = name.startsWith('step-') && !complete.includes(name);
    if (unfinished || name.startsWith('.step-')) await remove(join(folder, name));
  }
}

/** Removes a checkpoint, its marker first: what is half removed must not pass for complete. */
async function remove(path: string): Promise<void> {
  await rm(join(path, COMPLETE), { force: true });
  await rm(path, { recursive: true, force: true });
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
