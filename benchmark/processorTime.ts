import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks of the kernel's accounting in a second (`sysconf(_SC_CLK_TCK)`: 100 on every Linux that Node runs on). */
export const TICKS_A_SECOND = 100;

/** Processor time of a process, all its threads together, in clock ticks: `utime` and `stime` of proc_pid_stat(5). */
export function ticksOfProcess(pid: number): number {
  return processorTimeOf(pid).own;
}

/**
 * Processor time of a process and of all that it has started, and they in turn, in clock ticks. Those that have ended count as long as
 * somebody above them has waited for them.
 */
export function ticksOfProcessTree(pid: number): number {
  const { own, ended } = processorTimeOf(pid);
  return own + ended + childrenOf(pid).reduce((sum, child) => sum + (ifItLives(() => ticksOfProcessTree(child)) ?? 0), 0);
}

/** `utime` + `stime`, and `cutime` + `cstime`: of children that have ended and were waited for, and of theirs. */
function processorTimeOf(pid: number): { readonly own: number; readonly ended: number } {
  // The second field is the program's name in brackets, which may hold spaces and brackets.
  const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
    .slice(11, 15)
    .map(Number);
  return { own: user + system, ended: endedUser + endedSystem };
}

/** The processes that the threads of a process have started: `children` of proc_pid_task(5)'s threads. */
function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
    const children = ifItLives(() => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')) ?? '';
    return children.split(' ').filter(Boolean).map(Number);
  });
}

/** Processes and threads come and go while they are counted. */
function ifItLives<Result>(read: () => Result): Result | undefined {
  try {
    return read();
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** Processor time that was not to be had or used by something, since the start of the system: all of proc_stat(5) but idle and waiting. */
export function busyTicks(stat: string = readFileSync('/proc/stat', 'utf8')): number {
  const [user = 0, nice = 0, system = 0, , , interrupt = 0, softInterrupt = 0, steal = 0] = (stat.split('\n')[0] ?? '')
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return user + nice + system + interrupt + softInterrupt + steal;
}

/** The most memory that a process has held so far (resident set), in MiB: `VmHWM` of proc_pid_status(5). */
export function peakMebibytesOfProcess(pid: number): number {
  return mebibytesOf(pid, 'VmHWM');
}

/** The memory that a process holds now (resident set), in MiB: `VmRSS` of proc_pid_status(5). */
export function residentMebibytesOfProcess(pid: number): number {
  return mebibytesOf(pid, 'VmRSS');
}

function mebibytesOf(pid: number, field: string): number {
  return Number(new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}
