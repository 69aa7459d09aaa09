import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, homedir } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../text/errors.ts';
import { engineBuild, type EngineBuild } from './platform.ts';
import type { Wheel } from './wheels.ts';

export { TENSORFLOW_LIBRARIES } from './wheels.ts';

/** Where everything of the engine lies. Paths inside are relative to each other, so the cache may be moved. */
export interface EngineLayout {
  readonly build: EngineBuild;
  /** The folder that holds all of the following. */
  readonly root: string;
  /** TensorFlow: `lib/`, `include/` and its licences; complete once its marker is there. */
  readonly library: string;
  /** The folders of all wheels, TensorFlow's first; each complete once its marker is there. */
  readonly parts: readonly Part[];
  /** NVIDIA's libraries, in the order in which they are loaded before TensorFlow; none in the build for processors. */
  readonly preloaded: readonly string[];
  /** The folder of the addons compiled against this library. */
  readonly addons: string;
  /** Redirects standard error while the library loads. */
  readonly standardErrorHolder: Addon;
  /** Loads NVIDIA's libraries. */
  readonly libraryOpener: Addon;
  /** The binding of tfjs: what JavaScript calls TensorFlow through. */
  readonly binding: Addon;
  /** Our own ops, compiled for this machine's processor; absent where the compiler cannot build them. */
  readonly fusedOps: Addon;
  /** The wheel on its way in; absent between installations. */
  readonly download: string;
  readonly lock: string;
}

/** What is kept of a wheel, and where. */
export interface Part {
  readonly wheel: Wheel;
  readonly folder: string;
}

/** A shared object that Node loads, compiled here. A change of a source or a flag gives it another path. */
export interface Addon {
  readonly path: string;
  readonly sources: readonly string[];
  readonly flags: readonly string[];
  readonly linksTensorFlow: boolean;
  /** Whether the engine works without it, only slower. */
  readonly optional: boolean;
}

/** The file that is written last into a part's folder: what lies there, by relative path, in bytes. */
export const MARKER_FILE = 'complete.json';
export interface Marker {
  readonly files: Readonly<Record<string, number>>;
}

const FLAGS = ['-O2', '-std=c++17', '-fPIC', '-shared', '-DNAPI_VERSION=8'];
/** For this machine's processor. Nothing in our ops reads `errno` or traps on a float, which lets the compiler use vectors throughout. */
const FUSED_FLAGS = ['-O3', '-march=native', '-fno-math-errno', '-fno-trapping-math', '-pthread'];

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
  const fused = join(native, 'fused');
  const library = join(root, build.name);
  const nvidia = build.nvidia.map((wheel) => ({ wheel, folder: join(root, `${wheel.project}-${wheel.version}`) }));
  return {
    build,
    root,
    library,
    parts: [{ wheel: build.wheel, folder: library }, ...nvidia],
    preloaded: nvidia.flatMap(({ wheel, folder }) => wheel.libraries.map((file) => join(folder, 'lib', file))),
    addons,
    standardErrorHolder: addon(addons, 'hold_standard_error', { sources: [join(native, 'holdStandardError.cc')] }),
    libraryOpener: addon(addons, 'open_library', { sources: [join(native, 'openLibrary.cc')] }),
    binding: addon(addons, 'tfjs_binding', {
      sources: filesEndingIn(tfjsBinding, '.cc'),
      headers: filesEndingIn(tfjsBinding, '.h'),
      linksTensorFlow: true,
    }),
    fusedOps: addon(addons, 'fused_ops', {
      sources: filesEndingIn(fused, '.cc'),
      headers: filesEndingIn(fused, '.h'),
      flags: FUSED_FLAGS,
      linksTensorFlow: true,
      optional: true,
      processor: processor(),
    }),
    download: join(root, 'download'),
    lock: join(root, 'install.lock'),
  };
}

/** All addons of a layout, in the order of their compilation. */
export function addonsOf(layout: EngineLayout): readonly Addon[] {
  const forAll = [layout.standardErrorHolder, layout.binding, layout.fusedOps];
  return layout.build.device === 'gpu' ? [...forAll, layout.libraryOpener] : forAll;
}

/**
 * The folder of an installed npm package, wherever npm has put it.
 *
 * @throws UserError where it is not installed: what only training needs does not come along with ulmfit
 */
export function packageFolder(name: string): string {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    throw new UserError(
      `Training needs the package ${name}, which is not installed. Run \`npm install --ignore-scripts ${name}@${peerVersion(name)}\`, then \`npx ulmfit setup\`.`,
    );
  }
}

/** The version of a package that this program was made for. */
function peerVersion(name: string): string {
  const path = join(projectFolder(), 'package.json');
  const { peerDependencies } = JSON.parse(readFileSync(path, 'utf8')) as { peerDependencies: Readonly<Record<string, string>> };
  return peerDependencies[name] ?? 'latest';
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

/** The marker of a part's folder, if the folder is complete: every file is there and has the size that the marker tells. */
export function readMarker(folder: string): Marker | undefined {
  let marker: Marker;
  try {
    marker = JSON.parse(readFileSync(join(folder, MARKER_FILE), 'utf8')) as Marker;
  } catch {
    return undefined;
  }
  const whole = Object.entries(marker.files).every(
    ([file, bytes]) => statSync(join(folder, file), { throwIfNoEntry: false })?.size === bytes,
  );
  return whole ? marker : undefined;
}

/** Whether the engine of a layout works; what is optional may be missing. */
export function isInstalled(layout: EngineLayout): boolean {
  return hasLibraries(layout) && addonsOf(layout).every((one) => one.optional || existsSync(one.path));
}

/** Whether nothing is missing. */
export function isComplete(layout: EngineLayout): boolean {
  return hasLibraries(layout) && addonsOf(layout).every((one) => existsSync(one.path));
}

function hasLibraries(layout: EngineLayout): boolean {
  return layout.parts.every(({ folder }) => readMarker(folder) !== undefined);
}

interface AddonParts {
  readonly sources: readonly string[];
  readonly headers?: readonly string[];
  /** Besides those of every addon. */
  readonly flags?: readonly string[];
  readonly linksTensorFlow?: boolean;
  readonly optional?: boolean;
  /** What it is compiled for, where that is more than the platform. */
  readonly processor?: string;
}

function addon(folder: string, name: string, parts: AddonParts): Addon {
  const { sources, headers = [], linksTensorFlow = false, optional = false, processor } = parts;
  const flags = [...FLAGS, ...(parts.flags ?? [])];
  const hash = createHash('sha256').update(JSON.stringify([flags, linksTensorFlow, processor]));
  for (const file of [...sources, ...headers]) hash.update(basename(file)).update(readFileSync(file));
  const path = join(folder, `${name}-${hash.digest('hex').slice(0, 12)}.node`);
  return { path, sources, flags, linksTensorFlow, optional };
}

/** The processor's model and its instructions: a home folder may be shared by machines, and a virtual machine may move. */
function processor(): string {
  const model = cpus()[0]?.model ?? '';
  try {
    const [flags = ''] = /^(?:flags|Features)\s*:.*$/m.exec(readFileSync('/proc/cpuinfo', 'utf8')) ?? [];
    return `${model} ${flags}`;
  } catch {
    return model;
  }
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
