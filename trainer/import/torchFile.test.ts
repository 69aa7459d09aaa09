import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { UserError } from '../../text/errors.ts';
import { bytesOf, dictionary, int, pickle, raw, tensor, text, torchArchive, tuple, wholeNumber, zip } from './testSupport.ts';
import { TorchFile } from './torchFile.ts';
import { TorchTensor } from './torchNames.ts';

async function pathOf(bytes: Uint8Array): Promise<string> {
  return join(await temporaryFolder({ 'weights.pth': bytes }), 'weights.pth');
}

/** All tensors of a file that holds a dictionary of them. */
async function tensorsOf(bytes: Uint8Array): Promise<Record<string, number[]>> {
  const file = await TorchFile.open(await pathOf(bytes));
  try {
    const values: Record<string, number[]> = {};
    for (const [name, value] of file.root as Map<string, TorchTensor>) values[name] = [...(await file.read(value, name))];
    return values;
  } finally {
    await file.close();
  }
}

const SIX = { 0: raw(new Float32Array([1, 2, 3, 4, 5, 6])) };

it('a tensor may be any view of its storage', async () => {
  const views = dictionary({
    whole: tensor('0', 6, [2, 3]),
    transposed: tensor('0', 6, [3, 2], { strides: [1, 3] }),
    column: tensor('0', 6, [2], { offset: 1, strides: [3] }),
    last: tensor('0', 6, [1, 2], { offset: 4, strides: [99, 1] }),
    reordered: tensor('0', 6, [1, 3, 2], { strides: [6, 1, 3] }),
    scalar: tensor('0', 6, [], { offset: 2 }),
    empty: tensor('0', 6, [0, 4]),
  });
  expect(await tensorsOf(torchArchive(views, SIX))).toEqual({
    whole: [1, 2, 3, 4, 5, 6],
    transposed: [1, 4, 2, 5, 3, 6],
    column: [2, 5],
    last: [5, 6],
    reordered: [1, 4, 2, 5, 3, 6],
    scalar: [3],
    empty: [],
  });
});

it.each([
  ['DoubleStorage', raw(new Float64Array([0.5, -3]))],
  ['HalfStorage', raw(new Uint16Array([0x3800, 0xc200]))],
  ['BFloat16Storage', raw(new Uint16Array([0x3f00, 0xc040]))],
])('%s becomes float32', async (type, bytes) => {
  expect(await tensorsOf(torchArchive(dictionary({ a: tensor('0', 2, [2], { type }) }), { 0: bytes }))).toEqual({ a: [0.5, -3] });
});

it('whole numbers become float32, and a GPU is no matter', async () => {
  const description = dictionary({ count: tensor('0', 1, [1], { type: 'LongStorage' }) }).replace('ctorch\n', 'ctorch.cuda\n');
  expect(await tensorsOf(torchArchive(description, { 0: raw(new BigInt64Array([-7n])) }))).toEqual({ count: [-7] });
});

describe('what cannot be read is refused', () => {
  it.each([
    ['beyond its storage', torchArchive(dictionary({ a: tensor('0', 6, [7]) }), SIX), 'tensor "a" reaches beyond its numbers'],
    ['beyond its storage by strides', torchArchive(dictionary({ a: tensor('0', 6, [2, 3], { strides: [4, 1] }) }), SIX), 'reaches beyond'],
    ['a storage shorter than described', torchArchive(dictionary({ a: tensor('0', 8, [8]) }), SIX), 'tensor "a" is cut off'],
    ['a storage that is not there', torchArchive(dictionary({ a: tensor('1', 6, [6]) }), SIX), 'the numbers of storage 1 are missing'],
    [
      'one number as a million',
      torchArchive(dictionary({ a: tensor('0', 6, [1000, 1000], { strides: [0, 0] }) }), SIX),
      'the same numbers several times',
    ],
    [
      'truth values',
      torchArchive(dictionary({ a: tensor('0', 6, [6], { type: 'BoolStorage' }) }), SIX),
      'is of type bool, which weights are not',
    ],
    ['a negative size', torchArchive(dictionary({ a: tensor('0', 6, [-1], { strides: [1] }) }), SIX), 'an impossible shape'],
    ['a shape that is none', torchArchive(`ctorch._utils\n_rebuild_tensor_v2\n${tuple('N', 'N', 'N', 'N')}R`), 'of what is no storage'],
    [
      'a storage of pointers',
      torchArchive(`${tuple(text('storage'), 'ctorch\nSize\n', text('0'), text('cpu'), int(1))}Q`),
      'of an unknown type',
    ],
    ['a whole module', torchArchive(`${tuple(text('module'), 'N')}Q`), 'refers to something that is no storage'],
    ['another byte order', zip({ 'a/data.pkl': pickle('N'), 'a/byteorder': bytesOf('big') }), 'written on a big-endian machine'],
    ['another archive', zip({ 'word/document.xml': bytesOf('<a/>') }), 'but not one that torch.save wrote: data.pkl is missing'],
    ['a compressed archive', zip({ 'a/data.pkl': pickle('N') }, { method: 8 }), 'packed anew, with compression'],
    ['nothing', bytesOf(), 'is no file that torch.save wrote: it is empty'],
    ['text', bytesOf('<!DOCTYPE html>\n'), 'is no file that torch.save wrote: it is text'],
    ['HDF5', bytesOf('\x89HDF\r\n\x1a\n'), 'it is an HDF5 file, as Keras writes'],
    ['a tar archive', bytesOf('a'.repeat(257), 'ustar', '\0'.repeat(300)), 'as PyTorch wrote before 2017'],
    ['another pickle', pickle(text('hello')), 'is a Python pickle, but no file that torch.save wrote'],
  ])('%s', async (_, bytes, message) => {
    const reading = tensorsOf(bytes).then((values) => expect(values).toBeUndefined());
    await expect(reading).rejects.toThrow(message);
    await expect(reading).rejects.toBeInstanceOf(UserError);
  });

  it('a folder', async () => {
    await expect(TorchFile.open(await temporaryFolder())).rejects.toThrow(/it is not a file/);
  });
});

describe('the format before PyTorch 1.6', () => {
  const MAGIC = '\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19';
  const machine = (isLittleEndian: boolean): string => dictionary({ little_endian: isLittleEndian ? '\x88' : '\x89' });

  /** @param keys of the storages, all of float32 */
  function legacy(
    root: string,
    storages: Readonly<Record<string, Uint8Array>>,
    { version = 1001, little = true, keys = Object.keys(storages) } = {},
  ): Uint8Array {
    const list = `](${keys.map(text).join('')}e`;
    const data = Object.values(storages).flatMap((bytes) => [wholeNumber(bytes.length / 4, 8), bytes]);
    return bytesOf(pickle(MAGIC), pickle(int(version)), pickle(machine(little)), pickle(root), pickle(list), ...data);
  }

  const other = raw(new Float32Array([7, 8]));
  const root = dictionary({ first: tensor('94001', 2, [2]), second: tensor('94000', 6, [3, 2], { strides: [1, 3] }) });

  it('has its storages in the order of its list', async () => {
    const bytes = legacy(root, { 94000: SIX[0], 94001: other });
    expect(await tensorsOf(bytes)).toEqual({ first: [7, 8], second: [1, 4, 2, 5, 3, 6] });
  });

  it('may have a storage that is a part of another', async () => {
    const id = tuple(text('storage'), 'ctorch\nFloatStorage\n', text('9'), text('cpu'), int(6), tuple(text('10'), int(2), int(3)));
    const part = `ctorch._utils\n_rebuild_tensor\n${tuple(`${id}Q`, int(1), tuple(int(2)), tuple(int(1)))}R`;
    expect(await tensorsOf(legacy(dictionary({ part }), { 9: SIX[0] }))).toEqual({ part: [4, 5] });
  });

  it.each([
    ['a list of other storages', legacy(root, { 94000: SIX[0], 5: other }), 'its list of storages is wrong'],
    ['a list with one twice', legacy(root, { 94000: SIX[0] }, { keys: ['94000', '94000'] }), 'its list of storages is wrong'],
    ['a storage cut off', legacy(root, { 94000: SIX[0], 94001: other }).slice(0, -1), 'is cut off'],
    ['a storage of 2^62 numbers', bytesOf(legacy(root, {}, { keys: ['94000'] }), wholeNumber(2 ** 52, 8)), 'is cut off'],
    ['a storage of less than nothing', bytesOf(legacy(root, {}, { keys: ['94000'] }), '\xff'.repeat(8)), 'its list of storages is wrong'],
    ['another version', legacy(root, {}, { version: 1002 }), 'an unknown version of PyTorch'],
    ['another byte order', legacy(root, {}, { little: false }), 'written on a big-endian machine'],
    ['the end of the file', legacy(root, {}).slice(0, 60), 'ends in the middle of a value'],
  ])('%s is refused', async (_, bytes, message) => {
    await expect(tensorsOf(bytes)).rejects.toThrow(message);
  });
});

it('a file with bytes changed, moved or missing is read or refused, and no more', async () => {
  const good = torchArchive(dictionary({ a: tensor('0', 6, [3, 2], { strides: [1, 3] }), b: tensor('0', 6, [6]) }), SIX);
  const change = fc.record({ at: fc.nat(good.length - 1), byte: fc.nat(255), cut: fc.nat(40) });
  const folder = await temporaryFolder();
  const property = fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
    let bytes = [...good];
    for (const { at, byte, cut } of changes) {
      if (cut < 4) bytes = [...bytes.slice(0, at), ...bytes.slice(at + cut)];
      else bytes[at] = byte;
    }
    const path = join(folder, 'changed.pth');
    await (await import('node:fs/promises')).writeFile(path, Uint8Array.from(bytes));
    try {
      const file = await TorchFile.open(path);
      try {
        for (const value of file.root instanceof Map ? file.root.values() : [])
          if (value instanceof TorchTensor) await file.read(value, 'it');
      } finally {
        await file.close();
      }
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  });
  await fc.assert(property, { numRuns: 400 });
});
