import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MARKER_FILE, addonsOf, cacheFolder, engineLayout, projectFolder, readMarker } from './cache.ts';
import { engineBuild } from './platform.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ulmfit-cache-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test.each([
  [{ ULMFIT_CACHE: '/one', XDG_CACHE_HOME: '/two' }, '/one'],
  [{ ULMFIT_CACHE: 'here' }, resolve('here')],
  [{ ULMFIT_CACHE: '', XDG_CACHE_HOME: '/two' }, '/two/ulmfit'],
  [{ XDG_CACHE_HOME: 'relative' }, join(homedir(), '.cache', 'ulmfit')],
  [{}, join(homedir(), '.cache', 'ulmfit')],
])('with %o the cache is %s', (environment, expected) => {
  expect(cacheFolder(environment)).toBe(expected);
});

const layout = engineLayout('/cache', engineBuild({ platform: 'linux', arch: 'x64', glibc: '2.36' }));

test('everything of the engine lies in the cache, and nothing in node_modules', () => {
  const paths = [layout.library, layout.addons, layout.download, layout.lock, ...addonsOf(layout).map(({ path }) => path)];
  for (const path of paths) expect(path).toMatch(/^\/cache\/engine\/[^/]+/);
  expect(new Set(paths).size).toBe(paths.length);
});

test('the engine for GPUs lies beside the other, with NVIDIA’s libraries in the order in which they are loaded', () => {
  const gpu = engineLayout('/cache', engineBuild({ platform: 'linux', arch: 'x64', glibc: '2.36' }, 'gpu'));
  expect(layout.preloaded).toEqual([]);
  expect(gpu.preloaded[0]).toBe('/cache/engine/nvidia-cuda-runtime-cu12-12.9.79/lib/libcudart.so.12');
  const place = (library: string) => gpu.preloaded.findIndex((path) => path.endsWith(`/${library}`));
  for (const [needed, needs] of [
    ['libcublasLt.so.12', 'libcublas.so.12'],
    ['libnvJitLink.so.12', 'libcusparse.so.12'],
    ['libcusparse.so.12', 'libcusolver.so.11'],
    ['libcublas.so.12', 'libcusolver.so.11'],
  ] as const) {
    expect(place(needed)).toBeGreaterThanOrEqual(0);
    expect(place(needed)).toBeLessThan(place(needs));
  }
  const own = (one: typeof layout) => [one.library, one.addons, ...addonsOf(one).map(({ path }) => path)];
  expect(own(gpu).filter((path) => own(layout).includes(path))).toEqual([]);
  expect(gpu.lock).toBe(layout.lock);
});

test('the compiled sources exist, from the package and from this project', () => {
  const sources = addonsOf(layout).flatMap((addon) => addon.sources);
  expect(sources).toContain(join(projectFolder(), 'trainer', 'engine', 'native', 'holdStandardError.cc'));
  expect(sources.filter((source) => source.includes('tfjs-node-gpu')).length).toBeGreaterThan(0);
  for (const source of sources) expect(statSync(source).isFile()).toBe(true);
});

test('a folder counts as complete only with its marker and every file whole', () => {
  expect(readMarker(folder)).toBeUndefined();
  const marker = { files: { 'library.so': 5 } };
  writeFileSync(join(folder, MARKER_FILE), JSON.stringify(marker));
  expect(readMarker(folder)).toBeUndefined();
  writeFileSync(join(folder, 'library.so'), '12345');
  expect(readMarker(folder)).toEqual(marker);
  truncateSync(join(folder, 'library.so'), 4);
  expect(readMarker(folder)).toBeUndefined();
  writeFileSync(join(folder, 'library.so'), '12345');
  truncateSync(join(folder, MARKER_FILE), 10);
  expect(readMarker(folder)).toBeUndefined();
});
