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

test('the compiled sources exist, from the package and from this project', () => {
  const sources = addonsOf(layout).flatMap((addon) => addon.sources);
  expect(sources).toContain(join(projectFolder(), 'trainer', 'engine', 'native', 'holdStandardError.cc'));
  expect(sources.filter((source) => source.includes('tfjs-node-gpu')).length).toBeGreaterThan(0);
  for (const source of sources) expect(statSync(source).isFile()).toBe(true);
});

test('a folder counts as complete only with its marker and every file whole', () => {
  expect(readMarker(folder)).toBeUndefined();
  const marker = { tensorflow: '2.21.0', files: { 'library.so': 5 } };
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
