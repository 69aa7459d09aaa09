import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Who holds a lock. Written into the lock's file. */
interface Holder {
  readonly token: string;
  readonly host: string;
  readonly process: number;
  /** When the process started: a number may belong to another process by now. Undefined off Linux. */
  readonly started: string | undefined;
}

export interface LockOptions {
  /** Called once, before the first wait. */
  readonly onWait?: (holder: { readonly process: number; readonly host: string }) => void;
  /** Milliseconds between two looks at a lock that is held. */
  readonly pollEvery?: number;
}

const HEARTBEAT_EVERY_MS = 2_000;
/** A holder on another host (or in another container) that gave no sign of life for so long is taken for dead. */
const DEAD_AFTER_MS = 60_000;

/**
 * Runs `body` while holding the lock `path`; waits for whoever holds it, and takes it from a holder that no longer
 * lives. On this host a holder is known by its process number and start time, on others by a heartbeat: the file's
 * time of change.
 */
export async function withLock<Result>(path: string, body: () => Promise<Result>, options: LockOptions = {}): Promise<Result> {
  await mkdir(dirname(path), { recursive: true });
  const token = await acquire(path, options);
  const heartbeat = setInterval(() => void touch(path), HEARTBEAT_EVERY_MS);
  try {
    return await body();
  } finally {
    clearInterval(heartbeat);
    if ((await readHolder(path))?.token === token) await rm(path, { force: true });
  }
}

async function acquire(path: string, options: LockOptions): Promise<string> {
  const self: Holder = { token: randomUUID(), host: hostname(), process: process.pid, started: startOf(process.pid) };
  let told = false;
  for (;;) {
    const current = await readHolder(path);
    if (current === undefined) {
      if (await create(path, self)) return self.token;
    } else if (await isDead(current, path)) {
      await takeAway(path, current);
    } else {
      if (!told) options.onWait?.(current);
      told = true;
      await sleep(options.pollEvery ?? 500);
    }
  }
}

/** Writes the lock unless it exists. A hard link appears with its content: nobody sees a half-written lock. */
async function create(path: string, holder: Holder): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, JSON.stringify(holder));
  try {
    return await linkUnlessTaken(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}

async function linkUnlessTaken(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Removes a dead holder's lock, and puts it back where another process was quicker and the lock is a living one's. */
async function takeAway(path: string, dead: Holder): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if ((await readHolder(aside))?.token !== dead.token) await linkUnlessTaken(aside, path);
  await rm(aside, { force: true });
}

async function isDead(holder: Holder, path: string): Promise<boolean> {
  if (holder.host === hostname()) return !isAlive(holder.process) || startOf(holder.process) !== holder.started;
  const changed = (await stat(path).catch(() => undefined))?.mtimeMs;
  return changed !== undefined && Date.now() - changed > DEAD_AFTER_MS;
}

function isAlive(processId: number): boolean {
  // Zero and negative numbers name groups of processes.
  if (processId <= 0) return false;
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Clock ticks from boot to the start of a process: field 22 of `/proc/<pid>/stat`, of which field 3 is the state (proc(5)).
 * A zombie has no start: it holds nothing any more.
 */
function startOf(processId: number): string | undefined {
  try {
    const line = readFileSync(`/proc/${processId}/stat`, 'utf8');
    // The second field is the program's name in parentheses, and may hold spaces and parentheses.
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** The holder that a lock names; undefined where there is no lock. */
async function readHolder(path: string): Promise<Holder | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as Holder;
  } catch {
    // A power cut may leave an empty file: nobody holds it.
    return { token: '', host: hostname(), process: 0, started: undefined };
  }
}

async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
}
