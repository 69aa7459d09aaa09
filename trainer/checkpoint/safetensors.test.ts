import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { UserError } from '../../text/errors.ts';
import { floatValues, readSafetensors, type Tensor, toFloat16, writeSafetensors } from './safetensors.ts';

/** A file with any header, right or wrong. */
function fileOf(header: unknown, dataBytes = 0): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(dataBytes)]);
}

async function read(bytes: Uint8Array) {
  const folder = await temporaryFolder({ 'a.safetensors': bytes });
  return readSafetensors(join(folder, 'a.safetensors'));
}

const SAMPLE = new Map<string, Tensor>([
  ['lstm.0.bias', { dtype: 'F32', shape: [3], data: new Float32Array([0.1, -2, 3e38]) }],
  ['half', { dtype: 'F16', shape: [3, 1], data: toFloat16(new Float32Array([1, 2, 0.5])) }],
  ['ids', { dtype: 'I64', shape: [2], data: new BigInt64Array([-(2n ** 63n), 2n ** 53n + 1n]) }],
  ['scalar', { dtype: 'F64', shape: [], data: new Float64Array([Math.PI]) }],
  ['empty', { dtype: 'F32', shape: [2, 0], data: new Float32Array(0) }],
  ['bytes', { dtype: 'U8', shape: [1], data: new Uint8Array([255]) }],
  ['__proto__', { dtype: 'I32', shape: [1], data: new Int32Array([-5]) }],
]);

describe('writeSafetensors and readSafetensors', () => {
  it('give back what was written', async () => {
    const path = join(await temporaryFolder(), 'a.safetensors');
    await writeSafetensors(path, SAMPLE, { note: 'déjà vu', 'a "quote"': '' });
    const { metadata, tensors } = await readSafetensors(path);
    expect(metadata).toEqual({ note: 'déjà vu', 'a "quote"': '' });
    expect(tensors).toEqual(SAMPLE);
  });

  it('give back any tensors', async () => {
    const path = join(await temporaryFolder(), 'a.safetensors');
    const tensor = fc.array(fc.nat(3), { maxLength: 3 }).chain((shape): fc.Arbitrary<Tensor> => {
      const length = shape.reduce((product, size) => product * size, 1);
      const exactly = { minLength: length, maxLength: length };
      return fc.oneof(
        fc.float32Array(exactly).map((data) => ({ dtype: 'F32' as const, shape, data })),
        fc.uint16Array(exactly).map((data) => ({ dtype: 'F16' as const, shape, data })),
        fc.bigInt64Array(exactly).map((data) => ({ dtype: 'I64' as const, shape, data })),
        fc.uint8Array(exactly).map((data) => ({ dtype: 'BOOL' as const, shape, data })),
      );
    });
    const names = fc.string({ unit: 'grapheme' }).filter((name) => name !== '__metadata__');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(names, tensor), { maxLength: 5 }), async (pairs) => {
        const written = new Map<string, Tensor>(pairs);
        await writeSafetensors(path, written);
        expect((await readSafetensors(path)).tensors).toEqual(written);
      }),
      { numRuns: 50 },
    );
  });

  it('write the same bytes whatever the order of the map', async () => {
    const folder = await temporaryFolder();
    await writeSafetensors(join(folder, 'a'), SAMPLE);
    await writeSafetensors(join(folder, 'b'), new Map([...SAMPLE].reverse()));
    expect(await readFile(join(folder, 'a'))).toEqual(await readFile(join(folder, 'b')));
    expect(await readdir(folder)).toEqual(['a', 'b']);
  });

  it('write the part of a buffer that a view shows', async () => {
    const path = join(await temporaryFolder(), 'a');
    const data = new Float32Array([1, 2, 3, 4]).subarray(1, 3);
    await writeSafetensors(path, new Map([['part', { dtype: 'F32', shape: [2], data }]]));
    expect((await readSafetensors(path)).tensors.get('part')?.data).toEqual(new Float32Array([2, 3]));
  });

  it('lay the file out as the format says', async () => {
    const path = join(await temporaryFolder(), 'a');
    await writeSafetensors(path, new Map([['x', { dtype: 'U16', shape: [2], data: new Uint16Array([1, 0x203]) }]]));
    const bytes = await readFile(path);
    const header = '{"x":{"dtype":"U16","shape":[2],"data_offsets":[0,4]}}';
    expect(bytes.readBigUInt64LE(0)).toBe(56n);
    expect(bytes.subarray(8, 64).toString()).toBe(header.padEnd(56));
    expect([...bytes.subarray(64)]).toEqual([1, 0, 3, 2]);
  });

  it('refuse to write a tensor that does not fill its shape, or takes the name of the metadata', async () => {
    const path = join(await temporaryFolder(), 'a');
    const short = new Map<string, Tensor>([['w', { dtype: 'F32', shape: [2, 2], data: new Float32Array(3) }]]);
    await expect(writeSafetensors(path, short)).rejects.toThrow('tensor "w" has 3 values for the shape [2, 2]');
    const reserved = new Map<string, Tensor>([['__metadata__', { dtype: 'U8', shape: [0], data: new Uint8Array(0) }]]);
    await expect(writeSafetensors(path, reserved)).rejects.toThrow('"__metadata__"');
  });
});

describe('readSafetensors', () => {
  it('takes a file without tensors, an unaligned tensor and unknown fields', async () => {
    expect(await read(fileOf({}))).toEqual({ metadata: {}, tensors: new Map() });
    const entry = { dtype: 'F32', shape: [1], data_offsets: [1, 5], comment: 'ours' };
    const { tensors } = await read(fileOf({ odd: { dtype: 'U8', shape: [1], data_offsets: [0, 1] }, w: entry }, 5));
    expect(tensors.get('w')?.data).toEqual(new Float32Array([0]));
  });

  it('refuses a valid file that was cut anywhere', async () => {
    const path = join(await temporaryFolder(), 'a.safetensors');
    await writeSafetensors(path, SAMPLE);
    const whole = await readFile(path);
    for (let length = 0; length < whole.length; length++) {
      await writeFile(path, whole.subarray(0, length));
      await expect(readSafetensors(path), `${length} bytes`).rejects.toThrow(UserError);
    }
  });

  const w = (fields: object) => ({ w: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...fields } });
  it.each<[string, Uint8Array, string]>([
    ['an empty file', new Uint8Array(0), 'it has 0 bytes'],
    ['a header that is longer than the file', fileOf('{}').subarray(0, 9), 'its header ends at byte 10, the file at 9'],
    ['a file of another kind', Buffer.from('PK\u0003\u0004 a zip file'), 'announce a header of'],
    ['broken JSON', fileOf('{"w":'), 'its header is not JSON'],
    ['bytes that are not UTF-8', Buffer.concat([fileOf('').fill(2, 0, 1), Buffer.from([0xff, 0xfe])]), 'its header is not JSON'],
    ['a header that is an array', fileOf([]), 'not a JSON object'],
    ['metadata that are not text', fileOf({ __metadata__: { epoch: 3 } }), '__metadata__.epoch is not a string'],
    ['metadata that are not an object', fileOf({ __metadata__: 'x' }), '__metadata__ is not a JSON object'],
    ['a tensor that is not an object', fileOf({ w: 3 }), 'tensor "w" is not described by a JSON object'],
    ['an unknown type', fileOf(w({ dtype: 'F8_E4M3' }), 8), 'tensor "w" has the type "F8_E4M3"; we read F64'],
    ['a type that is an inherited name', fileOf(w({ dtype: 'toString' }), 8), 'tensor "w" has the type "toString"'],
    ['no shape', fileOf(w({ shape: undefined }), 8), 'tensor "w" has the shape undefined'],
    ['a negative size', fileOf(w({ shape: [-1, -2] }), 8), 'tensor "w" has the shape [-1,-2]'],
    ['a broken size', fileOf(w({ shape: [0.5, 4] }), 8), 'tensor "w" has the shape [0.5,4]'],
    ['one offset', fileOf(w({ data_offsets: [0] }), 8), 'tensor "w" has the data_offsets [0]'],
    ['offsets that are text', fileOf(w({ data_offsets: ['0', '8'] }), 8), 'tensor "w" has the data_offsets ["0","8"]'],
    ['backward offsets', fileOf(w({ data_offsets: [8, 0] }), 8), 'tensor "w" lies at bytes 8 to 0'],
    ['a shape that needs more bytes', fileOf(w({ shape: [3] }), 8), 'F32 of shape [3] takes 12 bytes'],
    ['a shape beyond all bounds', fileOf(w({ shape: [2 ** 40, 2 ** 40] }), 8), 'tensor "w" lies at bytes 0 to 8, but'],
    ['missing bytes', fileOf(w({}), 7), 'is truncated: tensor "w" ends at byte 8 of the data, the file at 7'],
    ['bytes left over', fileOf(w({}), 9), 'the last 1 bytes belong to no tensor'],
    ['bytes before the first', fileOf(w({ data_offsets: [4, 12] }), 12), 'bytes 0 to 4 before tensor "w" belong to no tensor'],
    [
      'an overlap',
      fileOf({ ...w({}), v: { dtype: 'U8', shape: [2], data_offsets: [7, 9] } }, 9),
      'tensor "v" starts at byte 7, inside tensor "w"',
    ],
    [
      'a name given twice',
      fileOf('{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', 2),
      'bytes 0 to 1 before tensor "w" belong to no tensor',
    ],
  ])('refuses %s', async (_, bytes, message) => {
    const reading = read(bytes);
    await expect(reading).rejects.toThrow(UserError);
    await expect(reading).rejects.toThrow(message);
    await expect(reading).rejects.toThrow('a.safetensors');
  });

  it('says so when there is no such file, or it is a folder', async () => {
    const folder = await temporaryFolder();
    await expect(readSafetensors(join(folder, 'no'))).rejects.toThrow(`Cannot read ${join(folder, 'no')}: no such file`);
    await expect(readSafetensors(folder)).rejects.toThrow('it is not a file');
  });
});

describe('floatValues', () => {
  it('gives float32 as it lies and widens halves', () => {
    expect(floatValues(SAMPLE, 'lstm.0.bias', [3])).toBe(SAMPLE.get('lstm.0.bias')?.data);
    expect(floatValues(SAMPLE, 'half')).toEqual(new Float32Array([1, 2, 0.5]));
  });

  it('names the tensor that is missing, misshapen or of another type', () => {
    expect(() => floatValues(SAMPLE, 'lstm.1.bias')).toThrow('Tensor "lstm.1.bias" is missing; the file has lstm.0.bias, half');
    expect(() => floatValues(SAMPLE, 'half', [3])).toThrow('Tensor "half" has the shape [3, 1], expected [3].');
    expect(() => floatValues(SAMPLE, 'ids')).toThrow('Tensor "ids" is I64, expected F32 or F16.');
    expect(() => floatValues(new Map(), 'w')).toThrow('the file has no tensors');
  });
});
