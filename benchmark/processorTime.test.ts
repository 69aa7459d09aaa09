import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { busyTicks, peakMebibytesOfProcess, ticksOfProcess, ticksOfProcessTree } from './processorTime.ts';

test('idle time is not busy time', () => {
  expect(busyTicks('cpu  100 20 3 9000 700 4 5 60 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n')).toBe(192);
  expect(busyTicks()).toBeGreaterThan(0);
});

test("this process's processor time and memory", () => {
  const before = ticksOfProcess(process.pid);
  const start = performance.now();
  while (performance.now() - start < 100);
  const ticks = ticksOfProcess(process.pid) - before;
  const { user, system } = process.cpuUsage();
  expect(ticks).toBeGreaterThan(0);
  expect(Math.abs(before + ticks - (user + system) / 1e4)).toBeLessThan(5);
  expect(peakMebibytesOfProcess(process.pid)).toBeGreaterThanOrEqual(process.memoryUsage.rss() / 2 ** 20 - 1);
});

/** A program that uses a fifth of a second of processor time, however busy the machine is, says so, and does what comes next. */
const busy = (then: string) => `while (process.cpuUsage().user < 2e5); console.log('done'); ${then}`;

test('what a process has started counts as its own, whether it runs or has ended', async () => {
  // The shell waits for the first child, and then for the second, which has a child of its own that waits to be killed.
  const second = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(busy('setInterval(() => {}, 1e3)'))}], { stdio: 'inherit' })`;
  const script = `"$NODE" -e "$FIRST"; "$NODE" -e "$SECOND"; true`;
  const environment = { NODE: process.execPath, FIRST: busy(''), SECOND: second };
  const shell = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'], env: environment, detached: true });
  const { pid } = shell;
  if (pid === undefined) throw new Error('There is no shell.');
  try {
    let lines = 0;
    while (lines < 2) lines += String(await once(shell.stdout, 'data')).match(/done/g)?.length ?? 0;
    expect(ticksOfProcess(pid)).toBeLessThan(10);
    expect(ticksOfProcessTree(pid)).toBeGreaterThanOrEqual(2 * 20);
  } finally {
    process.kill(-pid, 'SIGKILL');
  }
});
