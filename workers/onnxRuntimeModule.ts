/**
 * onnxruntime-web's module, changed so that its memory can have a limit.
 *
 * The module that is published imports a memory that threads share, and lets it grow to 4 GiB: the platform ends an isolate long before. One byte
 * says that the memory is shared. Without that, the Worker hands over a memory with a limit of its own, see src/onnxRuntime.ts.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { installedFile, WORKERS_FOLDER } from './program.ts';

/** Names in the binary format of WebAssembly (webassembly.github.io/spec/core/binary/modules.html). */
const HEADER_BYTES = 8;
const IMPORT_SECTION = 2;
const EXTERNAL_KINDS = ['function', 'table', 'memory', 'global', 'tag'] as const;
const HAS_MAXIMUM = 0b01;
const SHARED = 0b10;

/** The most memory that onnxruntime-web may take. An isolate has 128 MB for everything. */
export const MAX_ONNXRUNTIME_BYTES = 96 * 2 ** 20;

/** The name by which the Worker imports the script that {@link writeOnnxRuntimeModule} writes. */
export const ONNXRUNTIME_IMPORT = '#onnxruntime-module';

/** Where wrangler.jsonc and the tests look for it. */
const USUAL_FOLDER = join(WORKERS_FOLDER, 'dist', 'onnxruntime');

/** The module, and the code that calls it. */
const MODULE = 'onnxruntime-web/ort-wasm-simd-threaded.wasm';
const GLUE = 'onnxruntime-web/ort-wasm-simd-threaded.mjs';

export const ONNXRUNTIME_SCRIPT = 'onnxRuntimeModule.js';
const MODULE_FILE = 'onnxruntime.wasm';

/**
 * Writes the changed module into a folder, and a script by which the Worker imports it, for wrangler replaces an import of a script alone by another
 * one. The script says, besides, what limit the memory has, and which of the module's functions allocates.
 *
 * @returns the path of the script
 * @throws UserError when onnxruntime-web is not installed
 */
export async function writeOnnxRuntimeModule(folder: string = USUAL_FOLDER, maxBytes: number = MAX_ONNXRUNTIME_BYTES): Promise<string> {
  const bytes = withUnsharedMemory(await readFile(packageFile(MODULE)));
  const allocate = allocatorOf(await readFile(packageFile(GLUE), 'utf8'));
  const lines = [
    `export { default } from './${MODULE_FILE}';`,
    `export const MAX_BYTES = ${maxBytes};`,
    `export const ALLOCATE = ${JSON.stringify(allocate)};`,
  ];
  await mkdir(folder, { recursive: true });
  await replaceFile(join(folder, MODULE_FILE), bytes);
  const script = join(folder, ONNXRUNTIME_SCRIPT);
  await replaceFile(script, `${lines.join('\n')}\n`);
  return script;
}

const packageFile = (specifier: string) =>
  installedFile(specifier, 'a Worker needs without --int8 (8-bit weights on a kernel that comes along)');

/** The file is there as a whole, whoever reads it meanwhile. */
async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  const staging = `${path}.${process.pid}.tmp`;
  await writeFile(staging, content);
  await rename(staging, path);
}

/**
 * Under which of its short names the module exports `malloc`, as onnxruntime-web's glue code has it.
 *
 * @throws Error where that cannot be told
 */
export function allocatorOf(glue: string): string {
  const names = new Set(Array.from(glue.matchAll(/\b_malloc=\w+\.(\w+)/g), ([, name = '']) => name));
  const [name] = names;
  if (name === undefined || names.size > 1) throw otherVersionError('name its allocator');
  return name;
}

const otherVersionError = (what: string) =>
  new Error(`onnxruntime-web does not ${what} as the version did that this program was written for. Install that version.`);

/**
 * A WebAssembly module that imports one shared memory, as one that imports the same memory unshared.
 *
 * @throws Error for any other module
 */
export function withUnsharedMemory(module: Uint8Array): Uint8Array {
  const changed = Uint8Array.from(module);
  const places = memoryFlags(changed);
  const [place] = places;
  if (place === undefined || places.length > 1 || changed[place] !== (HAS_MAXIMUM | SHARED))
    throw otherVersionError('import one shared memory');
  changed[place] = HAS_MAXIMUM;
  return changed;
}

/** Where the flags of the memories stand that a module imports. */
function memoryFlags(module: Uint8Array): number[] {
  const reader = new ModuleReader(module);
  while (reader.at < module.length) {
    const section = reader.byte();
    const end = reader.number() + reader.at;
    if (section === IMPORT_SECTION) return importedMemories(reader);
    reader.at = end;
  }
  return [];
}

function importedMemories(reader: ModuleReader): number[] {
  const places: number[] = [];
  for (let count = reader.number(); count > 0; count--) {
    reader.skipName();
    reader.skipName();
    const kind = EXTERNAL_KINDS[reader.byte()];
    if (kind === 'memory') places.push(reader.at);
    if (kind === 'table' || kind === 'global' || kind === 'tag') reader.byte(); // the type of its values, or a tag's attribute
    if (kind === 'global') reader.byte(); // whether it can change
    if (kind === 'function' || kind === 'tag') reader.number(); // its signature
    if (kind === 'memory' || kind === 'table') reader.skipLimits();
  }
  return places;
}

/** Reads a module from its beginning. */
class ModuleReader {
  at = HEADER_BYTES;
  readonly #module: Uint8Array;

  constructor(module: Uint8Array) {
    this.#module = module;
  }

  byte(): number {
    const byte = this.#module[this.at++];
    if (byte === undefined) throw new Error('The WebAssembly module is incomplete.');
    return byte;
  }

  /** An unsigned number in LEB128: seven bits a byte, the lowest first. */
  number(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.byte();
      value += (byte % 128) * factor;
      if (byte < 128) return value;
    }
  }

  skipName(): void {
    const length = this.number();
    this.at += length;
  }

  /** A minimum, and a maximum where the flags say that there is one. */
  skipLimits(): void {
    const flags = this.byte();
    this.number();
    if ((flags & HAS_MAXIMUM) !== 0) this.number();
  }
}
