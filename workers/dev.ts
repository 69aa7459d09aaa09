/**
 * `node workers/dev.ts [<bundle>] [<wrangler dev options>…]`: the Worker on this machine, at http://127.0.0.1:8787 unless told.
 * Nothing leaves the machine: wrangler runs local, without account, update check or usage reports.
 */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

import { UserError } from '../text/errors.ts';
import { prepareAssets } from './prepare.ts';

/** The classifier that comes with the project. */
const DEMO_BUNDLE = join(import.meta.dirname, '..', 'models', 'demo', 'bundle');

/** Prepares the assets, then is wrangler until that ends; answers with its exit code. */
async function develop(args: readonly string[]): Promise<number> {
  const [first, ...rest] = args;
  const named = first !== undefined && !first.startsWith('-');
  const bundle = named ? first : DEMO_BUNDLE;
  await prepareAssets(bundle);
  console.error(`Serving ${relative(process.cwd(), bundle) || '.'} at the edge of this machine.`);
  const wrangler = join(dirname(createRequire(import.meta.url).resolve('wrangler/package.json')), 'bin', 'wrangler.js');
  const command = [wrangler, 'dev', '--local', '--ip', '127.0.0.1', '--port', '8787', ...(named ? rest : args)];
  const child = spawn(process.execPath, command, {
    cwd: import.meta.dirname,
    stdio: 'inherit',
    env: { ...process.env, WRANGLER_SEND_METRICS: 'false', WRANGLER_SEND_ERROR_REPORTS: 'false' },
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 0)));
  });
}

try {
  process.exitCode = await develop(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof UserError ? error.message : error);
  process.exitCode = error instanceof UserError ? 2 : 1;
}
