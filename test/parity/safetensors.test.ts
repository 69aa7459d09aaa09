import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromFloat16, readSafetensors, type Tensor, toFloat16, writeSafetensors } from '../../trainer/checkpoint/safetensors.ts';
import { temporaryFolder } from '../temporaryFolder.ts';

/** The interpreter to use. One that is named must have the packages; the system's own may lack them. */
const NAMED = process.env['ULMFIT_PYTHON'];
const PYTHON = NAMED ?? 'python3';
const SCRIPT = fileURLToPath(new URL('./safetensors_check.py', import.meta.url));

const run = promisify(execFile);
const check = async (...options: string[]): Promise<string> => (await run(PYTHON, [SCRIPT, ...options])).stdout;

const WRITTEN = new Map<string, Tensor>([
  ['embedding.weight', { dtype: 'F32', shape: [2, 3], data: new Float32Array([0.1, -1e38, 3, 1e-42, -0, 0.25]) }],
  ['half', { dtype: 'F16', shape: [3], data: toFloat16(new Float32Array([1, 65_504, 2 ** -24])) }],
  ['ids', { dtype: 'I32', shape: [1, 2], data: new Int32Array([-(2 ** 31), 2 ** 31 - 1]) }],
  ['steps', { dtype: 'I64', shape: [], data: new BigInt64Array([2n ** 53n + 1n]) }],
  ['double', { dtype: 'F64', shape: [1], data: new Float64Array([0.1]) }],
  ['truth', { dtype: 'BOOL', shape: [3], data: new Uint8Array([1, 0, 1]) }],
  ['empty', { dtype: 'F32', shape: [3, 0], data: new Float32Array(0) }],
  ['ümläut 世界', { dtype: 'U8', shape: [1], data: new Uint8Array([255]) }],
]);

/** The sums, as the script gives them: whole numbers as text. */
const SUMS: Record<string, number | string> = {
  'embedding.weight': new Float32Array([0.1, -1e38, 3, 0.25]).reduce((sum, value) => sum + value, 0),
  half: 65_505 + 2 ** -24,
  ids: '-1',
  steps: '9007199254740993',
  double: 0.1,
  truth: '2',
  empty: 0,
  'ümläut 世界': '255',
};

function sha256({ data }: Tensor): string {
  return createHash('sha256')
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex');
}

describe("safetensors, against the format's own library", () => {
  let missing = '';
  beforeAll(async () => {
    try {
      await run(PYTHON, ['-c', 'import safetensors.numpy, numpy']);
    } catch (error) {
      if (NAMED !== undefined) throw error;
      missing = `${PYTHON} cannot import safetensors and numpy; name an interpreter that can in ULMFIT_PYTHON`;
    }
  });

  it('Python reads what we write', async ({ skip }) => {
    skip(missing !== '', missing);
    const path = join(await temporaryFolder(), 'ours.safetensors');
    await writeSafetensors(path, WRITTEN, { kind: 'classifier', note: 'déjà "vu"' });
    const expected = [...WRITTEN].map(([name, tensor]) => [
      name,
      { dtype: tensor.dtype, shape: tensor.shape, sum: SUMS[name], sha256: sha256(tensor) },
    ]);
    expect(JSON.parse(await check('read', path))).toEqual({
      metadata: { kind: 'classifier', note: 'déjà "vu"' },
      tensors: Object.fromEntries(expected),
    });
  });

  it('we read what Python writes', async ({ skip }) => {
    skip(missing !== '', missing);
    const path = join(await temporaryFolder(), 'theirs.safetensors');
    await check('write', path);
    const { metadata, tensors } = await readSafetensors(path);
    expect(metadata).toEqual({ format: 'np', quote: 'a "quoted" line\nand a second', language: 'déjà vu' });
    const { 'half.edges': edges, 'half.odd': odd, ...others } = Object.fromEntries(tensors);
    expect(edges?.dtype === 'F16' && [...fromFloat16(edges.data)]).toEqual([
      0,
      -0,
      65_504,
      2 ** -14,
      2 ** -24,
      -(2 ** -24),
      Infinity,
      -Infinity,
    ]);
    expect(odd?.dtype === 'F16' && [...fromFloat16(odd.data)]).toEqual([1.5, -2.25, 0.333251953125]);
    expect(others).toEqual({
      long: { dtype: 'I64', shape: [2, 2], data: new BigInt64Array([-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n, -1n]) },
      'unsigned.long': { dtype: 'U64', shape: [1], data: new BigUint64Array([2n ** 64n - 1n]) },
      double: { dtype: 'F64', shape: [2], data: new Float64Array([0.1, -1e300]) },
      single: { dtype: 'F32', shape: [1, 2], data: new Float32Array([0.1, -1e38]) },
      integer: { dtype: 'I32', shape: [2], data: new Int32Array([-(2 ** 31), 2 ** 31 - 1]) },
      short: { dtype: 'I16', shape: [1], data: new Int16Array([-32_768]) },
      byte: { dtype: 'I8', shape: [3], data: new Int8Array([-128, 127, 5]) },
      'unsigned.byte': { dtype: 'U8', shape: [1], data: new Uint8Array([255]) },
      truth: { dtype: 'BOOL', shape: [3], data: new Uint8Array([1, 0, 1]) },
      scalar: { dtype: 'F32', shape: [], data: new Float32Array([2.5]) },
      'scalar.long': { dtype: 'I64', shape: [], data: new BigInt64Array([-7n]) },
      empty: { dtype: 'F32', shape: [0], data: new Float32Array(0) },
      'empty.matrix': { dtype: 'F16', shape: [3, 0, 2], data: new Uint16Array(0) },
      'name with spaces/and ümläut 世界': { dtype: 'F32', shape: [1], data: new Float32Array([1]) },
    });
    // Every byte as Python sees it, too.
    const seen = JSON.parse(await check('read', path)) as { tensors: Record<string, { sha256: string }> };
    const hashes = Object.fromEntries(Object.entries(seen.tensors).map(([name, tensor]) => [name, tensor.sha256]));
    expect(Object.fromEntries([...tensors].map(([name, tensor]) => [name, sha256(tensor)]))).toEqual(hashes);
  });
});
