import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { SPECIAL_TOKENS } from '../../text/specialTokens.ts';
import { readModel } from '../checkpoint/modelFolder.ts';
import { importFastai, type ImportOptions } from './importFastai.ts';
import { dictionary, raw, tensor, torchArchive } from './testSupport.ts';

/** Shapes by name. Each tensor has a storage of its own with the numbers 1, 2, 3, … divided by 64. */
type Shapes = Record<string, readonly number[]>;

const [WORDS, WIDTH, HIDDEN] = [16, 4, 6];
const VOCABULARY = [...SPECIAL_TOKENS, ...'the film is good bad a .'.split(' ')];

const layer = (prefix: string, input: number, width: number): Shapes => ({
  [`${prefix}.weight_hh_l0_raw`]: [4 * width, width],
  [`${prefix}.module.weight_ih_l0`]: [4 * width, input],
  [`${prefix}.module.bias_ih_l0`]: [4 * width],
  [`${prefix}.module.bias_hh_l0`]: [4 * width],
});
const ENCODER: Shapes = {
  'encoder.weight': [WORDS, WIDTH],
  ...layer('rnns.0', WIDTH, HIDDEN),
  ...layer('rnns.1', HIDDEN, WIDTH),
};
const prefixed = (prefix: string, shapes: Shapes): Shapes =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [prefix + name, shape]));
const LANGUAGE_MODEL: Shapes = { ...prefixed('0.', ENCODER), '1.decoder.bias': [WORDS] };

const norm = (name: string, width: number): Shapes => ({
  [`${name}.weight`]: [width],
  [`${name}.bias`]: [width],
  [`${name}.running_mean`]: [width],
  [`${name}.running_var`]: [width],
});
const linear = (name: string, outputs: number, inputs: number): Shapes => ({
  [`${name}.weight`]: [outputs, inputs],
  [`${name}.bias`]: [outputs],
});

const product = (shape: readonly number[]): number => shape.reduce((all, size) => all * size, 1);

function archive(shapes: Shapes, change: (values: Float32Array, name: string) => void = () => {}): Uint8Array {
  const names = Object.keys(shapes);
  const entries = names.map((name, key) => [name, tensor(String(key), product(shapes[name] ?? []), shapes[name] ?? [])] as const);
  const storages = names.map((name, key) => {
    const values = Float32Array.from({ length: product(shapes[name] ?? []) }, (_, index) => (index + 1) / 64);
    change(values, name);
    return [key, raw(values)] as const;
  });
  return torchArchive(dictionary(Object.fromEntries(entries)), Object.fromEntries(storages));
}

async function importing(weights: Uint8Array, options: Partial<ImportOptions> = {}, words: readonly string[] = VOCABULARY) {
  const folder = await temporaryFolder({ 'weights.pth': weights, 'itos.json': JSON.stringify(words) });
  const out = join(folder, 'model');
  try {
    const summary = await importFastai(join(folder, 'weights.pth'), { vocabulary: join(folder, 'itos.json'), out, ...options });
    return { summary, model: await readModel(out) };
  } catch (error) {
    expect(await readdir(folder)).toEqual(['itos.json', 'weights.pth']);
    throw error;
  }
}

/** `shapes` with some tensors in other shapes, or without them. */
function changed(shapes: Shapes, changes: Record<string, readonly number[] | undefined>): Shapes {
  const entries = Object.entries({ ...shapes, ...changes }).filter((entry): entry is [string, readonly number[]] => entry[1] !== undefined);
  return Object.fromEntries(entries);
}

describe('weights', () => {
  it('of a layer are turned, their gates are put into our order, and the biases are added', async () => {
    const { model, summary } = await importing(archive(LANGUAGE_MODEL));
    expect(summary.sizes).toEqual({ vocabulary: WORDS, embedding: WIDTH, hidden: HIDDEN, layers: 2 });
    const gate = (theirs: number): number[] => Array.from({ length: HIDDEN }, (_, unit) => theirs * HIDDEN + unit);
    const rows = [0, 2, 1, 3].flatMap(gate); // PyTorch's i, f, g, o as i, c, f, o
    const input = rows.map((row) => (row * WIDTH + 1) / 64);
    expect(model.tensors.get('lstm.0.inputWeights')?.shape).toEqual([WIDTH, 4 * HIDDEN]);
    expect([...(model.tensors.get('lstm.0.inputWeights')?.data.subarray(0, 4 * HIDDEN) ?? [])]).toEqual(input);
    expect([...(model.tensors.get('lstm.0.bias')?.data ?? [])]).toEqual(rows.map((row) => (2 * (row + 1)) / 64));
  });

  it.each([1150, 1152])(
    'of %i units are imported as they are',
    async (hidden) => {
      const shapes = { ...changed(LANGUAGE_MODEL, {}), ...layer('0.rnns.0', WIDTH, hidden), ...layer('0.rnns.1', hidden, WIDTH) };
      const { model } = await importing(archive(shapes, (values) => values.fill(0.5)));
      expect(model.description.sizes.hidden).toBe(hidden);
    },
    60_000,
  );

  it('of one layer, or of four', async () => {
    const one = { ...changed(LANGUAGE_MODEL, {}), ...layer('0.rnns.0', WIDTH, WIDTH) };
    for (const name of Object.keys(layer('0.rnns.1', HIDDEN, WIDTH))) delete one[name];
    expect((await importing(archive(one))).summary.sizes).toMatchObject({ layers: 1, hidden: WIDTH });
    const four = {
      ...LANGUAGE_MODEL,
      ...layer('0.rnns.1', HIDDEN, HIDDEN),
      ...layer('0.rnns.2', HIDDEN, HIDDEN),
      ...layer('0.rnns.3', HIDDEN, WIDTH),
    };
    expect((await importing(archive(four))).summary.sizes).toMatchObject({ layers: 4, hidden: HIDDEN });
  });

  it('without weight drop, as fastai 0.7 could be told, are found too', async () => {
    const plain = Object.fromEntries(Object.entries(LANGUAGE_MODEL).map(([name, shape]) => [name.replace(/module\.|_raw/g, ''), shape]));
    expect((await importing(archive(plain))).summary.sizes.layers).toBe(2);
  });

  it('that are a copy are passed over for the ones called raw', async () => {
    const shapes = { '0.rnns.0.module.weight_hh_l0': [4 * HIDDEN, HIDDEN], ...LANGUAGE_MODEL };
    const { model } = await importing(archive(shapes, (values, name) => void (name.endsWith('module.weight_hh_l0') && values.fill(9))));
    expect(model.tensors.get('lstm.0.recurrentWeights')?.data).not.toContain(9);
  });
});

describe('rows that fastai did not have', () => {
  it('of special tokens are the mean, and those that only fill it up have the lowest bias', async () => {
    const words = ['xxunk', 'xxpad', 'xxbos', 'xxfld', 'xxmaj', 'xxup', 'xxrep', ...'the film is good bad a . of ,'.split(' ')];
    const { model, summary } = await importing(archive(LANGUAGE_MODEL), {}, words);
    expect(summary.missing).toEqual(['xxeos', 'xxwrep']);
    expect(model.vocabulary.size).toBe(24);
    const bias = model.tensors.get('decoder.bias')?.data ?? new Float32Array();
    const mean = (WORDS + 1) / 2 / 64;
    expect(bias[model.vocabulary.idOf('xxeos')]).toBeCloseTo(mean, 6);
    expect(Array.from(bias.slice(18))).toEqual(Array.from({ length: 6 }, () => 1 / 64));
    expect(bias[model.vocabulary.idOf('the')]).toBe(8 / 64);
  });
});

describe('a head of', () => {
  const classifier = (head: Shapes): Shapes => ({ ...prefixed('0.module.', ENCODER), ...head });
  const labels = ['no', 'yes'];
  it.each<[string, Shapes]>([
    ['fastai 1', { ...norm('1.layers.0', 12), ...linear('1.layers.2', 50, 12), ...norm('1.layers.4', 50), ...linear('1.layers.6', 2, 50) }],
    [
      'fastai 0.7',
      {
        ...linear('1.layers.0.lin', 50, 12),
        ...norm('1.layers.0.bn', 12),
        ...linear('1.layers.1.lin', 2, 50),
        ...norm('1.layers.1.bn', 50),
      },
    ],
  ])('%s', async (_, head) => {
    const { model } = await importing(archive(classifier(head)), { labels });
    expect(model.tensors.get('head.0.weight')?.shape).toEqual([12, 50]);
    expect([...(model.tensors.get('head.1.weight')?.data.subarray(0, 4) ?? [])]).toEqual([1 / 64, 51 / 64, 2 / 64, 52 / 64]);
    expect([...(model.tensors.get('head.1.bias')?.data ?? [])]).toEqual([1 / 64, 2 / 64]);
  });

  it.each<[string, Shapes, RegExp]>([
    [
      'another width',
      { ...norm('1.layers.0', 12), ...linear('1.layers.2', 40, 12), ...norm('1.layers.4', 40), ...linear('1.layers.6', 2, 40) },
      /these units: 40\. Ours has one of 50/,
    ],
    ['one layer', { ...norm('1.layers.0', 12), ...linear('1.layers.2', 2, 12) }, /these units: none\. Ours has one of 50/],
    [
      'one output',
      { ...norm('1.layers.0', 12), ...linear('1.layers.2', 50, 12), ...norm('1.layers.4', 50), ...linear('1.layers.6', 1, 50) },
      /of one output \(regression\)/,
    ],
    ['layers without batch norm', linear('1.layers.2', 2, 12), /a head of 0 batch norms and 1 linear layers/],
  ])('%s is refused', async (_, head, message) => {
    await expect(importing(archive(classifier(head)), { labels })).rejects.toThrow(message);
  });
});

describe('another model is refused', () => {
  it.each<[string, Shapes, RegExp]>([
    [
      'a tensor of another shape',
      changed(LANGUAGE_MODEL, { '0.rnns.1.module.weight_ih_l0': [16, 7] }),
      /"0\.rnns\.1\.module\.weight_ih_l0" has the shape \[16, 7\], expected \[16, 6\]/,
    ],
    [
      'a last layer of another width',
      changed(LANGUAGE_MODEL, layer('0.rnns.1', HIDDEN, 5)),
      /"0\.rnns\.1\.module\.weight_ih_l0" has the shape \[20, 6\], expected \[16, 6\]/,
    ],
    [
      'a bias of another vocabulary',
      changed(LANGUAGE_MODEL, { '1.decoder.bias': [17] }),
      /"1\.decoder\.bias" has the shape \[17\], expected \[16\]/,
    ],
    [
      'a tensor that is missing',
      changed(LANGUAGE_MODEL, { '0.rnns.0.module.bias_hh_l0': undefined }),
      /has no tensor 0\.rnns\.0\.module\.bias_hh_l0 or 0\.rnns\.0\.bias_hh_l0/,
    ],
    ['an LSTM that is missing', { '0.encoder.weight': [WORDS, WIDTH], '1.decoder.bias': [WORDS] }, /an embedding and no LSTM layers/],
    [
      'a tensor too many',
      { ...LANGUAGE_MODEL, '0.attention.weight': [3] },
      /has tensors that fastai's AWD-LSTM does not have: 0\.attention\.weight/,
    ],
    ['two directions', { ...LANGUAGE_MODEL, '0.rnns.0.module.weight_ih_l0_reverse': [24, 4] }, /a bidirectional AWD-LSTM/],
    ['a QRNN', { '0.encoder.weight': [WORDS, WIDTH], '0.rnns.0.layers.0.linear.weight_raw': [18, 8] }, /holds a QRNN/],
    [
      'a transformer',
      { 'h.0.attn.c_attn.weight': [3, 3], 'wte.weight': [4, 3] },
      /is no AWD-LSTM of fastai's.*It has h\.0\.attn\.c_attn\.weight, wte\.weight\./,
    ],
    ['nothing', {}, /has no tensor 0\.encoder\.weight\. It is empty\./],
  ])('%s', async (_, shapes, message) => {
    await expect(importing(archive(shapes))).rejects.toThrow(message);
  });

  it('a decoder with weights of its own', async () => {
    const untied = { ...LANGUAGE_MODEL, '1.decoder.weight': [WORDS, WIDTH] };
    expect((await importing(archive(untied))).summary.kind).toBe('languageModel'); // the same numbers, twice in the file
    const other = archive(untied, (values, name) => void (name === '1.decoder.weight' && (values[63] = 0)));
    await expect(importing(other)).rejects.toThrow(/a decoder with weights of its own \(tie_weights=False\)/);
  });

  it('values that are no numbers', async () => {
    const diverged = archive(LANGUAGE_MODEL, (values, name) => void (name === '0.rnns.0.module.bias_hh_l0' && (values[3] = Number.NaN)));
    await expect(importing(diverged)).rejects.toThrow(/"0\.rnns\.0\.module\.bias_hh_l0" has values that are no finite numbers/);
  });

  it('what is no dictionary of tensors', async () => {
    await expect(importing(torchArchive('](K\x01e'))).rejects.toThrow(/holds no dictionary of weights/);
    await expect(importing(torchArchive(dictionary({ model: dictionary({ epoch: 'K\x01' }) })))).rejects.toThrow(
      /holds epoch, which is no tensor/,
    );
  });

  it('a file that names its few numbers under many names', async () => {
    const shapes = Object.fromEntries(Array.from({ length: 8 }, (_, index) => Object.entries(layer(`0.rnns.${index}`, 500, 500))).flat());
    const key = (shape: readonly number[]): string => tensor('0', 1_000_000, shape);
    const description = dictionary({
      '0.encoder.weight': key([16, 500]),
      ...Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, key(shape)])),
    });
    const bomb = torchArchive(description, { 0: new Uint8Array(4_000_000) });
    await expect(importing(bomb)).rejects.toThrow(/describes weights of 64\d{6}: it is cut off or damaged/);
  });
});

it('a direction that the name of the file contradicts is pointed out', async () => {
  const folder = await temporaryFolder({ 'lstm_bwd.pth': archive(LANGUAGE_MODEL), 'itos.json': JSON.stringify(VOCABULARY) });
  const vocabulary = join(folder, 'itos.json');
  const { notes } = await importFastai(join(folder, 'lstm_bwd.pth'), { vocabulary, out: join(folder, 'a') });
  expect(notes.join(' ')).toContain('--direction backward');
  const told = await importFastai(join(folder, 'lstm_bwd.pth'), { vocabulary, out: join(folder, 'b'), direction: 'backward' });
  expect(told).toMatchObject({ direction: 'backward', notes: [] });
});
