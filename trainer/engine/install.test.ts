import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UserError } from '../../text/errors.ts';
import { addonsOf, engineLayout, isInstalled, type EngineLayout } from './cache.ts';
import { requireSpace } from './library.ts';
import { engineBuild } from './platform.ts';
import { TOO_SLOW, cacheWithLibrary, commandSource, start, type Running } from './testSupport.ts';

describe('disk space', () => {
  const layout = engineLayout('/cache', engineBuild({ platform: 'linux', arch: 'x64', glibc: '2.36' }));
  const { bytes, keptBytes } = layout.build.wheel;

  test('is asked for the wheel and what is kept of it, less what is downloaded', () => {
    expect(() => requireSpace(bytes + keptBytes, 0, layout)).not.toThrow();
    expect(() => requireSpace(keptBytes, bytes, layout)).not.toThrow();
    expect(() => requireSpace(keptBytes - 1, bytes, layout)).toThrow(UserError);
  });

  test('for GPUs is asked for what is kept of all wheels and the largest of them, less what is installed', () => {
    const gpu = engineLayout('/cache', engineBuild({ platform: 'linux', arch: 'x64', glibc: '2.36' }, 'gpu'));
    const kept = gpu.parts.reduce((sum, part) => sum + part.wheel.keptBytes, 0);
    const largest = Math.max(...gpu.parts.map((part) => part.wheel.bytes));
    expect(gpu.parts.length).toBeGreaterThan(5);
    expect(() => requireSpace(kept + largest, 0, gpu)).not.toThrow();
    expect(() => requireSpace(kept + largest - 1, 0, gpu)).toThrow(/^The engine needs 5\d{3} MB of free disk space/);
    const [, ...missing] = gpu.parts;
    expect(() => requireSpace(kept - gpu.build.wheel.keptBytes + largest, 0, gpu, missing)).not.toThrow();
    expect(() => requireSpace(0, 0, gpu, [])).not.toThrow();
  });

  test('says how much is needed, how much there is, and what to do', () => {
    expect(() => requireSpace(5_000_000, 0, layout)).toThrow(
      /^The engine needs 1\d{3} MB of free disk space, and the disk of \/cache\/engine has 5 MB: free some, or .* ULMFIT_CACHE\.$/,
    );
  });
});

// These share the downloaded library, which is never written to, and compile into caches of their own.
describe.skipIf(TOO_SLOW)('an installation that is disturbed', () => {
  let folder: string;
  let layout: EngineLayout;
  beforeEach(() => {
    folder = cacheWithLibrary(mkdtempSync(join(tmpdir(), 'ulmfit-install-')));
    layout = engineLayout(folder);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('is completed by the next run after it was killed, and two runs at once share the work', async () => {
    leaveHalfAnUnpackedLibrary(layout);
    const killed = setup();
    await killed.sees('compiling tfjs_binding');
    await compilerWrites(layout);
    process.kill(-(killed.child.pid ?? 0), 'SIGKILL');
    expect((await killed.ending).signal).toBe('SIGKILL');
    expect(isInstalled(layout)).toBe(false);
    expect(existsSync(layout.lock)).toBe(true);

    const endings = await Promise.all([setup().ending, setup().ending]);
    const results = endings.map(({ status, stdout }) => ({ status, ...(JSON.parse(stdout) as { already: boolean }) }));
    expect(results.map(({ status }) => status)).toEqual([0, 0]);
    expect(results.filter(({ already }) => already)).toHaveLength(1);
    const talk = endings.map(({ stderr }) => stderr).join('');
    expect(talk.match(/compiling tfjs_binding/g)).toHaveLength(1);
    expect(talk.match(/another setup is running \(process \d+ on .*\); waiting for it/g)).toHaveLength(1);

    expect(isInstalled(layout)).toBe(true);
    expect(readdirSync(layout.root).toSorted()).toEqual([basename(layout.library), basename(layout.addons)].toSorted());
    expect(readdirSync(layout.addons).toSorted()).toEqual(
      addonsOf(layout)
        .map(({ path }) => basename(path))
        .toSorted(),
    );
  });

  test('is repaired where an addon is damaged', async () => {
    mkdirSync(layout.addons);
    for (const { path } of addonsOf(layout)) writeFileSync(path, 'not a library');
    const repair = await setup().ending;
    expect(repair).toMatchObject({ status: 0, stderr: expect.stringContaining('does not work; repairing it') });
    expect(JSON.parse(repair.stdout)).toMatchObject({ already: false });
  });

  function setup(): Running {
    return start(commandSource('setup', { json: true }), { ULMFIT_CACHE: folder });
  }
});

/** What a run that was killed while it unpacked would leave. */
function leaveHalfAnUnpackedLibrary(layout: EngineLayout): void {
  for (const left of [`${layout.library}.partial-1/lib`, join(layout.download, 'temporary')]) {
    mkdirSync(left, { recursive: true });
    writeFileSync(join(left, 'libtensorflow_cc.so.2'), 'half');
  }
}

/** Resolves a moment after the compiler has begun. */
async function compilerWrites(layout: EngineLayout): Promise<void> {
  while (!existsSync(layout.standardErrorHolder.path)) await sleep(20);
  await sleep(1_000);
}
