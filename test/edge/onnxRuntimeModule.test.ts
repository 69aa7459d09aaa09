/** onnxruntime-web's module for the edge: its memory is not shared, and nothing else is changed. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { expect, test } from 'vitest';

import { allocatorOf, withUnsharedMemory, writeOnnxRuntimeModule } from '../../workers/onnxRuntimeModule.ts';
import { temporaryFolder } from '../temporaryFolder.ts';

const published = () => readFile(createRequire(import.meta.url).resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm'));

test('one byte of the module is another one', async () => {
  const original = await published();
  const changed = withUnsharedMemory(original);
  expect(changed).toHaveLength(original.length);
  const places = [...changed.keys()].filter((place) => changed[place] !== original[place]);
  expect(places.map((place) => [original[place], changed[place]])).toEqual([[3, 1]]);
});

test('a module or a glue code of another kind is refused', async () => {
  const refused = 'Install that version.';
  expect(() => withUnsharedMemory(withUnsharedMemory(new Uint8Array([...EMPTY, ...importing(3)])))).toThrow(refused);
  expect(() => withUnsharedMemory(new Uint8Array(EMPTY))).toThrow(refused);
  expect(() => withUnsharedMemory(new Uint8Array([...EMPTY, ...importing(3), ...importing(3)].slice(0, 12)))).toThrow('is incomplete');
  expect(allocatorOf('t._free=s.vb,tr=t._malloc=s.wb,')).toBe('wb');
  expect(() => allocatorOf('t._free=s.vb')).toThrow(refused);
  expect(() => allocatorOf('t._malloc=s.a;t._malloc=s.b')).toThrow(refused);
});

test('the script that the Worker imports names the module, the limit and the allocator', async () => {
  const folder = await temporaryFolder();
  const script = await writeOnnxRuntimeModule(folder, 2 ** 25);
  expect(await readFile(script, 'utf8')).toMatch(
    /^export \{ default \} from '\.\/onnxruntime\.wasm';\nexport const MAX_BYTES = 33554432;\nexport const ALLOCATE = "\w+";\n$/,
  );
});

/** A module without anything. */
const EMPTY = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/** A section that imports `a.b`: a table, a global, and a memory with the flags given. */
function importing(flags: number): number[] {
  const name = [1, 0x61, 1, 0x62];
  const imports = [3, ...name, 1, 0x70, 0, 1, ...name, 3, 0x7f, 1, ...name, 2, flags, 1, 2];
  return [2, imports.length, ...imports];
}
