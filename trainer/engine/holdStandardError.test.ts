import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { engineLayout, packageFolder } from './cache.ts';
import { engineBuild } from './platform.ts';
import { start } from './testSupport.ts';
import { findCompiler, run } from './tools.ts';

const compiler = process.platform === 'linux' ? await findCompiler() : undefined;

describe.skipIf(compiler === undefined && 'there is no C++ compiler, or this is not Linux')('holding standard error', () => {
  let folder: string;
  let addon: string;
  const build = engineBuild({ platform: 'linux', arch: 'x64', glibc: '2.36' });
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ulmfit-hold-'));
    addon = join(folder, 'hold.node');
    const { sources, flags } = engineLayout(folder, build).standardErrorHolder;
    const include = `-I${join(packageFolder('node-api-headers'), 'include')}`;
    const outcome = await run(compiler?.command ?? ['g++'], ['-Wall', '-Wextra', '-Werror', ...flags, include, ...sources, '-o', addon]);
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const runHolding = (body: string) =>
    start(`
      import { writeSync } from 'node:fs';
      import { createRequire } from 'node:module';
      const { hold, release } = createRequire(import.meta.url)(${JSON.stringify(addon)});
      ${body}`).ending;

  test('returns the text and gives the descriptor back', async () => {
    const ending = await runHolding(`
      hold();
      writeSync(2, 'held é\\n'.repeat(1000));
      const text = release();
      writeSync(2, 'free\\n');
      console.log(text === 'held é\\n'.repeat(1000));`);
    expect(ending).toEqual({ status: 0, signal: null, stdout: 'true\n', stderr: 'free\n' });
  });

  test('works again, and inside itself', async () => {
    const ending = await runHolding(`
      for (const round of [1, 2]) {
        hold();
        hold();
        writeSync(2, 'inner' + round);
        const inner = release();
        writeSync(2, 'outer' + round);
        console.log(JSON.stringify([inner, release()]));
      }`);
    expect(ending).toMatchObject({ status: 0, stdout: '["","inner1outer1"]\n["","inner2outer2"]\n', stderr: '' });
  });

  test.each(['SIGABRT', 'SIGSEGV', 'SIGILL'])('passes the text on when the process dies of %s', async (signal) => {
    const ending = await runHolding(`
      hold();
      writeSync(2, 'the last words\\n');
      process.kill(process.pid, ${JSON.stringify(signal)});
      setTimeout(() => {}, 10_000);`);
    expect(ending).toMatchObject({ signal, stderr: 'the last words\n' });
  });

  test('refuses a release without a hold', async () => {
    const ending = await runHolding('try { release(); } catch (error) { console.log(error.message); }');
    expect(ending.stdout).toBe('release() without hold()\n');
  });
});
