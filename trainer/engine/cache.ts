import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { engineBuild, type EngineBuild } from './platform.ts';

/** Where everything of the engine lies. Paths inside are relative to each other, so the cache may be moved. */
export interface EngineLayout {
  readonly build: EngineBuild;
  /** The folder that holds all of the following. */
  readonly root: string;
  /** TensorFlow: `lib/`, `include/` and its licences; complete once its marker is there. */
  readonly library: string;
  /** The folder of the addons compiled against this library. */
  readonly addons: string;
  /** Redirects standard error while the library loads. */
  readonly standardErrorHolder: Addon;
  /** The binding of tfjs: what JavaScript calls TensorFlow through. */
  readonly binding: Addon;
  /** The wheel on its way in; absent between installations. */
  readonly download: string;
  readonly lock: string;
}

/** A shared object that Node loads, compiled here. A change of a source or a flag gives it another path. */
export interface Addon {
  readonly path: string;
  readonly sources: readonly string[];
  readonly flags: readonly string[];
  readonly linksTensorFlow: boolean;
}

export const TENSORFLOW_LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'] as const;

/** The file that is written last into the library's folder: what lies there, by relative path, in bytes. */
export const MARKER_FILE = 'complete.json';
export interface Marker {
  readonly tensorflow: string;
  readonly files: Readonly<Record<string, number>>;
}

const FLAGS = ['-O2', '-std=c++17', '-fPIC', '-shared', '-DNAPI_VERSION=8'];

/** `ULMFIT_CACHE`, else `ulmfit` in `XDG_CACHE_HOME`, else `~/.cache/ulmfit`. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const { ULMFIT_CACHE: own, XDG_CACHE_HOME: shared } = environment;
  if (own) return resolve(own);
  // The XDG specification has a relative path ignored.
  if (shared && isAbsolute(shared)) return join(shared, 'ulmfit');
  return join(homedir(), '.cache', 'ulmfit');
}

/** The places of the engine that this version of the program uses on this machine. */
export function engineLayout(cache: string = cacheFolder(), build: EngineBuild = engineBuild()): EngineLayout {
  const root = join(cache, 'engine');
  const addons = join(root, `${build.name}-addons`);
  const tfjsBinding = join(packageFolder('@tensorflow/tfjs-node-gpu'), 'binding');
  const native = join(projectFolder(), 'trainer', 'engine', 'native');
  return {
    build,
    root,
    library: join(root, build.name),
    addons,
    standardErrorHolder: addon(addons, 'hold_standard_error', [join(native, 'holdStandardError.cc')], [], false),
    binding: addon(addons, 'tfjs_binding', filesEndingIn(tfjsBinding, '.cc'), filesEndingIn(tfjsBinding, '.h'), true),
    download: join(root, 'download'),
    lock: join(root, 'install.lock'),
  };
}

/** All addons of a layout, in the order of their compilation. */
export function addonsOf(layout: EngineLayout): readonly Addon[] {
  return [layout.standardErrorHolder, layout.binding];
}

/** The folder of an installed npm package, wherever npm has put it. */
export function packageFolder(name: string): string {
  return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
}

/** The folder of this project's package.json: sources that are not JavaScript are found from there, compiled or not. */
export function projectFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!isProject(folder)) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`No package.json of ulmfit above ${fileURLToPath(import.meta.url)}.`);
    folder = parent;
  }
  return folder;
}

/** The marker of a library folder, if the folder is complete: every file is there and has the size that the marker tells. */
export function readMarker(library: string): Marker | undefined {
  let marker: Marker;
  try {
    marker = JSON.parse(readFileSync(join(library, MARKER_FILE), 'utf8')) as Marker;
  } catch {
    return undefined;
  }
  const whole = Object.entries(marker.files).every(
    ([file, bytes]) => statSync(join(library, file), { throwIfNoEntry: false })?.size === bytes,
  );
  return whole ? marker : undefined;
}

/** Whether the engine of a layout is installed. */
export function isInstalled(layout: EngineLayout): boolean {
  return readMarker(layout.library) !== undefined && addonsOf(layout).every((one) => existsSync(one.path));
}

function addon(folder: string, name: string, sources: readonly string[], headers: readonly string[], linksTensorFlow: boolean): Addon {
  const hash = createHash('sha256').update(JSON.stringify([FLAGS, linksTensorFlow]));
  for (const file of [...sources, ...headers]) hash.update(basename(file)).update(readFileSync(file));
  const path = join(folder, `${name}-${hash.digest('hex').slice(0, 12)}.node`);
  return { path, sources, flags: FLAGS, linksTensorFlow };
}

function filesEndingIn(folder: string, ending: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .toSorted()
    .map((name) => join(folder, name));
}

function isProject(folder: string): boolean {
  try {
    return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: string }).name === 'ulmfit';
  } catch {
    return false;
  }
}
