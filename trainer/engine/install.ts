import { access, constants, mkdir, readdir, rm } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../text/errors.ts';
import { installAddons } from './addons.ts';
import { addonsOf, cacheFolder, engineLayout, isComplete, readMarker, type EngineLayout } from './cache.ts';
import type { EngineChoice } from './device.ts';
import { EngineFailure, type Log } from './failure.ts';
import { installLibrary } from './library.ts';
import { withLock } from './lock.ts';
import { engineBuild, thisMachine, type DeviceKind } from './platform.ts';
import type { SelfCheck } from './selfCheck.ts';
import { requireCompiler, run } from './tools.ts';

export interface InstallOptions {
  /** Takes progress, line by line. */
  readonly log?: Log;
  /** Which build: for processors (the default) or for GPUs. They lie beside each other. */
  readonly device?: DeviceKind | undefined;
}

export interface InstalledEngine {
  readonly layout: EngineLayout;
  /** Whether everything was there before. */
  readonly already: boolean;
  readonly check: SelfCheck;
}

/**
 * Installs the training engine in the cache (`ULMFIT_CACHE`), or repairs it; does nothing where it works.
 *
 * Whatever happens on the way, a later run continues: what is in the cache under its final name is complete. Runs at the
 * same time wait for each other.
 *
 * @throws UserError where something on this machine is missing; the message names the cure
 * @throws EngineFailure where the download is damaged, the compiler fails or the engine does not work
 * @example const { check } = await installEngine({ log: console.error });
 */
export async function installEngine(options: InstallOptions = {}): Promise<InstalledEngine> {
  const log = options.log ?? (() => undefined);
  const layout = engineLayout(cacheFolder(), engineBuild(thisMachine(), options.device));
  if (isComplete(layout)) {
    const check = await checkEngine(asInstalled(layout));
    if (!(check instanceof Error)) return { layout, already: true, check };
    log('the installed engine does not work; repairing it');
    await removeAddons(layout);
  }
  await createRoot(layout);
  const onWait = ({ process: id, host }: { process: number; host: string }) =>
    log(`another setup is running (process ${id} on ${host}); waiting for it`);
  return withLock(layout.lock, () => installLocked(layout, log), { onWait });
}

async function installLocked(layout: EngineLayout, log: Log): Promise<InstalledEngine> {
  const already = isComplete(layout);
  if (!already) {
    await removeLeftovers(layout);
    // Before the download: whoever lacks a compiler should not wait for it to hear that.
    await requireCompiler();
    if (layout.parts.some(({ folder }) => readMarker(folder) === undefined)) await installLibrary(layout, log);
    await installAddons(layout, log);
  }
  const check = await checkEngine(asInstalled(layout));
  if (check instanceof Error) {
    await removeAddons(layout);
    throw check;
  }
  return { layout, already, check };
}

/** What a fresh installation is tried with: the GPU, where the build is for GPUs and there is one. */
function asInstalled({ build }: EngineLayout): EngineChoice {
  return { build: build.device, card: build.device === 'gpu' ? 'welcome' : 'hidden' };
}

/**
 * Loads an installed engine in another process and multiplies matrices there.
 *
 * @param choice a GPU that it requires is taken as welcome: the answer says why there is none
 * @param seconds how long to measure the speed of matrix products; 0 measures nothing
 * @returns what was found, or an error that says what is wrong
 */
export async function checkEngine({ build, card }: EngineChoice, seconds = 0): Promise<SelfCheck | EngineFailure> {
  const here = fileURLToPath(import.meta.url);
  const program = join(here, '..', `selfCheck${extname(here)}`);
  const outcome = await run([process.execPath, program], [build, card === 'hidden' ? 'hidden' : 'welcome', String(seconds)]);
  if (outcome?.signal === 'SIGILL') {
    return new EngineFailure(
      'TensorFlow uses instructions that this processor lacks (AVX): train on a newer processor, or give the virtual machine the type of its host.',
    );
  }
  if (outcome?.status !== 0) {
    const said = outcome?.stderr.trim() || `${outcome?.signal ?? 'nothing'} ended the process`;
    return new EngineFailure(
      `The installed engine does not work; run \`npx ulmfit setup${build === 'gpu' ? ' --gpu' : ''}\`, and if that does not help, delete ${engineLayout().root} and run it again. The self-check said:\n${said}`,
    );
  }
  const check = JSON.parse(outcome.stdout) as SelfCheck;
  return check.correct
    ? check
    : new EngineFailure('The installed engine multiplies matrices wrongly: please report this processor and system.');
}

async function createRoot(layout: EngineLayout): Promise<void> {
  try {
    await mkdir(layout.root, { recursive: true });
    await access(layout.root, constants.W_OK);
  } catch (error) {
    throw new UserError(
      `The engine's folder ${layout.root} cannot be written to (${(error as Error).message}): ` +
        'name a folder that you can write to in ULMFIT_CACHE.',
    );
  }
}

/** What a run that was killed has left. A finished download stays while it is needed: pip checks it and uses it again. */
async function removeLeftovers(layout: EngineLayout): Promise<void> {
  for (const name of await readdir(layout.root)) {
    if (name.includes('.partial-')) await rm(join(layout.root, name), { recursive: true, force: true, maxRetries: 3 });
  }
  const needed = layout.parts.some(({ folder }) => readMarker(folder) === undefined);
  const useless = needed ? join(layout.download, 'temporary') : layout.download;
  await rm(useless, { recursive: true, force: true, maxRetries: 3 });
}

async function removeAddons(layout: EngineLayout): Promise<void> {
  for (const addon of addonsOf(layout)) await rm(addon.path, { force: true });
}
