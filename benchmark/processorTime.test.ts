import { expect, test } from 'vitest';
import { busyTicks, peakMebibytesOfProcess, ticksOfProcess } from './processorTime.ts';

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
