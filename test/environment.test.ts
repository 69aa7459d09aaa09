/** docs/environment.md against the sources: every variable that is read has a line, and no line is of one that is not. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const SOURCES = '{text,trainer,export,serve,benchmark,workers,test,scripts,.ci}/**/*.{ts,mjs,sh}';
/** `process.env['NAME']` and its like, and options that commander reads from a variable. */
const READ = /(?:\benv|\benvironment)\['(\w+)'\]|\.env\('(\w+)'\)|\b(ULMFIT_[A-Z]+(?:_[A-Z]+)*)\b|^ {2}(TF_\w+):/gm;

test('every environment variable is in docs/environment.md', () => {
  const files = [...globSync(SOURCES, { cwd: ROOT }), 'vitest.config.ts'];
  const read = new Set<string>();
  for (const file of files) {
    if (/^workers\/(?:deploy\/testing|dist)\/|^test\/environment\.test/.test(file)) continue;
    const source = readFileSync(join(ROOT, file), 'utf8');
    for (const [, direct, option, ours, tensorFlow] of source.matchAll(READ)) read.add(direct ?? option ?? ours ?? tensorFlow ?? '');
  }
  const listed = readFileSync(join(ROOT, 'docs', 'environment.md'), 'utf8')
    .split('\n')
    .flatMap(
      (line) =>
        /^\| (`.*?`) \|/
          .exec(line)?.[1]
          ?.matchAll(/`(\w+)`/g)
          .map(([, name = '']) => name)
          .toArray() ?? [],
    );
  expect([...read].filter((name) => !OTHERS.has(name)).toSorted()).toEqual(listed.toSorted());
});

/** What tests and benchmarks set for wrangler and shells, and nobody else needs to know. */
const OTHERS = new Set(['PATH', 'HOME', 'NODE_OPTIONS', 'CLOUDFLARE_CF_FETCH_ENABLED', 'WRANGLER_SEND_METRICS']);
