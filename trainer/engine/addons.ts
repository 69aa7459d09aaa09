import { existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { TENSORFLOW_LIBRARIES, addonsOf, packageFolder, type Addon, type EngineLayout } from './cache.ts';
import { EngineFailure, type Log } from './failure.ts';
import { requireCompiler, run, type Tool } from './tools.ts';

const PARTIAL = '.partial-';

/**
 * Compiles the addons that are not there yet. Each appears under its name when it is whole. One that is optional may fail.
 *
 * @throws UserError where there is no compiler
 * @throws EngineFailure where the compiler fails
 */
export async function installAddons(layout: EngineLayout, log: Log): Promise<void> {
  await mkdir(layout.addons, { recursive: true });
  await removePartials(layout.addons);
  const missing = addonsOf(layout).filter((addon) => !existsSync(addon.path));
  if (missing.length === 0) return;
  const compiler = await requireCompiler();
  for (const addon of missing) {
    log(`compiling ${basename(addon.path)}`);
    try {
      await compile(addon, layout, compiler);
    } catch (error) {
      if (!addon.optional || !(error instanceof EngineFailure)) throw error;
      log(`${error.message}\nThe engine works without it, but trains more slowly.`);
    }
  }
}

async function compile(addon: Addon, layout: EngineLayout, compiler: Tool): Promise<void> {
  const partial = `${addon.path}${PARTIAL}${process.pid}`;
  const outcome = await run(compiler.command, [
    ...addon.flags,
    ...includeFlags(layout),
    ...addon.sources,
    '-o',
    partial,
    ...linkFlags(addon, layout),
  ]);
  if (outcome?.status !== 0) {
    await rm(partial, { force: true });
    const reason = outcome?.stderr.trim() || (outcome?.signal === undefined ? 'nothing' : `that ${outcome.signal} ended it`);
    throw new EngineFailure(
      `${compiler.command.join(' ')} (${compiler.version}) could not compile ${basename(addon.path)}: use GCC 10 or Clang 12 or newer ` +
        `(the variable CXX names another compiler); it said:\n${reason}`,
    );
  }
  const file = await open(partial, 'r');
  await file.sync();
  await file.close();
  await rename(partial, addon.path);
}

function includeFlags(layout: EngineLayout): string[] {
  return [`-I${join(packageFolder('node-api-headers'), 'include')}`, `-I${join(layout.library, 'include')}`];
}

/** The path to the library is relative to the addon, so that the cache can be moved. */
function linkFlags(addon: Addon, layout: EngineLayout): string[] {
  if (!addon.linksTensorFlow) return [];
  const folder = join(layout.library, 'lib');
  const libraries = TENSORFLOW_LIBRARIES.map((file) => join(folder, file));
  return [...libraries, `-Wl,-rpath,$ORIGIN/${relative(dirname(addon.path), folder)}`];
}

async function removePartials(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.includes(PARTIAL)) await rm(join(folder, name), { force: true });
  }
}
