import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { withLock } from './lock.ts';
import { start } from './testSupport.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ulmfit-lock-'));
  path = join(folder, 'lock');
});
afterEach(() => rmSync(folder, { recursive: true }));

const QUICK = { pollEvery: 5 };

/** Source of a program that takes the lock, says so and holds it. */
const holding = () => `
  import { withLock } from ${JSON.stringify(new URL('./lock.ts', import.meta.url).href)};
  await withLock(${JSON.stringify(path)}, () => new Promise(() => { console.error('held'); setInterval(() => {}, 1000); }));`;

test('returns what the body returns and leaves nothing behind', async () => {
  await expect(withLock(path, async () => existsSync(path))).resolves.toBe(true);
  expect(readdirSync(folder)).toEqual([]);
});

test('is released where the body throws', async () => {
  const broken = withLock(path, () => Promise.reject(new Error('broken')));
  await expect(broken).rejects.toThrow('broken');
  expect(readdirSync(folder)).toEqual([]);
});

test('only one body runs at a time', async () => {
  let inside = 0;
  let most = 0;
  const body = async () => {
    most = Math.max(most, ++inside);
    await new Promise((resolve) => setTimeout(resolve, 10));
    inside--;
  };
  await Promise.all(Array.from({ length: 5 }, () => withLock(path, body, QUICK)));
  expect(most).toBe(1);
  expect(readdirSync(folder)).toEqual([]);
});

test('waits for a living process, says so once, and takes over when it is killed', async () => {
  const other = start(holding());
  await other.sees('held');
  const onWait = vi.fn(() => setTimeout(() => other.child.kill('SIGKILL'), 100));
  await expect(withLock(path, async () => 'mine', { ...QUICK, onWait })).resolves.toBe('mine');
  expect(onWait).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ process: other.child.pid, host: hostname() }));
  expect((await other.ending).signal).toBe('SIGKILL');
});

test('a process number that another process has got by now does not hold the lock', async () => {
  writeLock({ process: process.pid, started: '1' });
  const onWait = vi.fn();
  await expect(withLock(path, async () => 'mine', { ...QUICK, onWait })).resolves.toBe('mine');
  expect(onWait).not.toHaveBeenCalled();
});

test('another host holds the lock as long as it gives signs of life', async () => {
  writeLock({ host: 'elsewhere', process: 1 });
  const stopsBreathing = () => utimesSync(path, new Date(0), new Date(Date.now() - 120_000));
  const onWait = vi.fn(() => void setTimeout(stopsBreathing, 50));
  await expect(withLock(path, async () => 'mine', { ...QUICK, onWait })).resolves.toBe('mine');
  expect(onWait).toHaveBeenCalledOnce();
});

test('an empty lock file, left by a power cut, is nobody’s', async () => {
  writeFileSync(path, '');
  await expect(withLock(path, async () => 'mine', QUICK)).resolves.toBe('mine');
});

test('does not remove a lock that was taken away from it', async () => {
  await withLock(path, async () => writeLock({ process: process.pid, started: undefined }));
  expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ token: 'another' });
});

function writeLock(holder: { host?: string; process: number; started?: string | undefined }): void {
  writeFileSync(path, JSON.stringify({ token: 'another', host: hostname(), ...holder }));
}
