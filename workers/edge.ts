/**
 * `npm run edge -- [<bundle>] [--int8] [--downloadable] [<wrangler dev options>…]`: the Worker on this machine, at http://127.0.0.1:8787
 * unless told. With --int8 the model runs on the kernel of our own with 8-bit weights, otherwise on onnxruntime-web; with --downloadable
 * whoever may ask may also have the model.
 * It runs in workerd, as it would at the edge. Nothing leaves the machine: no account, update check or usage report.
 */
import { spawn } from 'node:child_process';
import { join, relative } from 'node:path';

import { UserError } from '../text/errors.ts';
import { OFFLINE, wranglerScript } from './deploy/wrangler.ts';
import { writeOnnxRuntimeModule } from './onnxRuntimeModule.ts';
import { ASSETS_FOLDER, prepareAssets, WITHOUT_ONNXRUNTIME } from './prepare.ts';

/** The classifier that comes along, served where no bundle is named. */
const SHIPPED_BUNDLE = join(import.meta.dirname, '..', 'models', 'sentiment-small', 'bundle');

/** The options that are not wrangler's. */
const INT8 = '--int8';
const DOWNLOADABLE = '--downloadable';

/** Prepares the assets, then is wrangler until that ends; answers with its exit code. */
async function develop(given: readonly string[]): Promise<number> {
  const int8 = given.includes(INT8);
  const downloadable = given.includes(DOWNLOADABLE);
  const args = given.filter((argument) => argument !== INT8 && argument !== DOWNLOADABLE);
  const [first] = args;
  const named = first !== undefined && !first.startsWith('-');
  const bundle = named ? first : SHIPPED_BUNDLE;
  await prepareAssets(bundle, ASSETS_FOLDER, { int8, downloadable });
  if (!int8) await writeOnnxRuntimeModule();
  console.error(`Serving ${relative(process.cwd(), bundle) || '.'} from a Worker on this machine.`);
  const build = int8 ? WITHOUT_ONNXRUNTIME : [];
  const child = spawn(process.execPath, [wranglerScript(), 'dev', '--local', ...build, ...args.slice(named ? 1 : 0)], {
    cwd: import.meta.dirname,
    stdio: 'inherit',
    env: { ...process.env, ...OFFLINE },
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
