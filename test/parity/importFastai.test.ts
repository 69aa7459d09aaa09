import { existsSync } from 'node:fs';
import { copyFile, open, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../../text/errors.ts';
import { readModel, type StoredModel } from '../../trainer/checkpoint/modelFolder.ts';
import { tf } from '../../trainer/engine/operations.ts';
import { toDevice } from '../../trainer/engine/transfer.ts';
import { importFastai, type ImportOptions, type ImportSummary } from '../../trainer/import/importFastai.ts';
import { awdLstm, disposeState, parameter, zeroState } from '../../trainer/model/awdLstm.ts';
import { classifierLogits } from '../../trainer/model/classifier.ts';
import { ulmfit } from '../cli/commandLine.ts';
import { temporaryFolder } from '../temporaryFolder.ts';
import { relativeDifference } from './closeness.ts';
import { type Golden, readGolden } from './golden.ts';

/** Of all logits, relative to the largest. */
const TOLERANCE = 1e-5;

const file = (name: string): string => fileURLToPath(new URL(`./golden/import-fastai/${name}`, import.meta.url));

interface Facts {
  readonly marker: string;
  readonly documents: readonly (readonly number[])[];
  readonly tokens: Readonly<Record<'version1' | 'version2' | 'version07', readonly string[]>>;
}

let golden: Golden;
let facts: Facts;
beforeAll(async () => {
  golden = await readGolden('import-fastai');
  facts = golden.facts as unknown as Facts;
});

/** Imports into a folder of its own and reads the model back. */
async function imported(
  weights: string,
  vocabulary: string,
  options: Partial<ImportOptions> = {},
): Promise<{ model: StoredModel; summary: ImportSummary; out: string }> {
  const out = join(await temporaryFolder(), 'model');
  const summary = await importFastai(file(weights), { vocabulary: file(vocabulary), out, ...options });
  return { model: await readModel(out), summary, out };
}

/** What a language model expects behind each token of one text: `[tokens][vocabulary]`. */
function logitsOf({ tensors, description }: StoredModel, ids: Int32Array): Float32Array[] {
  return tf.tidy(() => {
    const parameters = toDevice(tensors);
    const state = zeroState(description.sizes, 1);
    const encoded = awdLstm(parameters, tf.tensor2d(ids, [ids.length, 1], 'int32'), state);
    disposeState(state);
    disposeState(encoded.state);
    const outputs = tf.reshape(encoded.dropped, [ids.length, description.sizes.embedding]);
    const scores = tf.matMul(outputs, parameter(parameters, 'embedding.weight'), false, true);
    const logits = tf.add(scores, parameter(parameters, 'decoder.bias')).dataSync<'float32'>();
    return Array.from(ids, (_, row) => logits.slice(row * description.sizes.vocabulary, (row + 1) * description.sizes.vocabulary));
  });
}

/** Where each row of fastai's model is in ours. Filling tokens have no id to ask for. */
function placesOf({ vocabulary }: StoredModel, tokens: readonly string[], renamed: ImportSummary['renamed'] = {}): number[] {
  let filler = -1;
  return tokens.map((token) => {
    const name = renamed[token] ?? token;
    if (name === 'xxfake') return (filler = vocabulary.tokens.indexOf('xxfake', filler + 1));
    expect(vocabulary.has(name), name).toBe(true);
    return vocabulary.idOf(name);
  });
}

const LANGUAGE_MODELS = [
  { name: 'learn.save of fastai 2, with the optimizer', weights: 'learner.pth', version: 'version2' },
  { name: 'fastai 1, in the format before PyTorch 1.6', weights: 'version1.pth', version: 'version1' },
  { name: 'fastai 0.7, without a bias', weights: 'version07.h5', version: 'version07' },
  { name: '16-bit floats', weights: 'half.pth', version: 'version2' },
  { name: 'brain floats', weights: 'brainFloat.pth', version: 'version2' },
  { name: 'views of transposed, wider and shared storages, in part float64', weights: 'views.pth', version: 'version2' },
] as const;

describe.each(LANGUAGE_MODELS)('$name', ({ weights, version }) => {
  it("has fastai's logits", async () => {
    const { model, summary } = await imported(weights, `${version}.pkl`);
    const tokens = facts.tokens[version];
    const places = placesOf(model, tokens, summary.renamed);
    expect(new Set(places).size).toBe(tokens.length);
    const ids = Int32Array.from(golden.integers('ids'), (id) => places[id] ?? -1);
    const logits = logitsOf(model, ids).map((row) => places.map((place) => row[place] ?? Number.NaN));
    const expected = golden.floats(version === 'version07' ? 'logits.withoutBias' : 'logits');
    expect(relativeDifference(logits.flat(), expected)).toBeLessThan(TOLERANCE);
  });
});

it('an encoder alone becomes a language model of the same weights without a bias', async () => {
  const { model, summary } = await imported('encoder.pth', 'version2.pkl', { direction: 'backward' });
  expect(summary).toMatchObject({ holds: 'encoder', kind: 'languageModel', direction: 'backward' });
  expect(summary.notes.join(' ')).toContain('encoder without its decoder');
  expect(model.description).toMatchObject({
    kind: 'languageModel',
    direction: 'backward',
    sizes: { vocabulary: 24, embedding: 6, hidden: 10, layers: 3 },
  });
  const logits = logitsOf(model, golden.integers('ids')).flatMap((row) => [...row]);
  expect(relativeDifference(logits, golden.floats('logits.withoutBias'))).toBeLessThan(TOLERANCE);
});

it("a classifier has fastai's logits, and its labels from beside the vocabulary", async () => {
  const { model, summary } = await imported('classifier.pth', 'classifier.pkl');
  expect(summary).toMatchObject({ holds: 'classifier', kind: 'classifier', labels: ['negative', 'positive'] });
  expect(model.description).toMatchObject({ kind: 'classifier', labels: ['negative', 'positive'], task: 'singleLabel' });
  const parameters = toDevice(model.tensors);
  const documents = facts.documents.map((ids) => Int32Array.from(ids));
  const logits = classifierLogits(model.description.sizes, parameters, documents, { chunkLength: model.description.chunkLength });
  expect(relativeDifference(logits.dataSync<'float32'>(), golden.floats('classifier.logits'))).toBeLessThan(TOLERANCE);
  tf.dispose([logits, ...parameters.values()]);
});

it('a classifier takes its labels from the user, and is refused without any or with too few', async () => {
  const { model } = await imported('classifier.pth', 'version2.pkl', { labels: ['bad', 'good'], multiLabel: true });
  expect(model.description).toMatchObject({ labels: ['bad', 'good'], task: 'multiLabel' });
  await expect(imported('classifier.pth', 'version2.pkl')).rejects.toThrow(/a classifier of 2 classes\. Name them .* with --labels/);
  await expect(imported('classifier.pth', 'classifier.pkl', { labels: ['one', 'two', 'three'] })).rejects.toThrow(
    /a classifier of 2 classes, but 3 different labels are named: one, two, three/,
  );
});

it('fastai 0.7 has its tokens renamed, what it lacks added, and its rows filled up', async () => {
  const { model, summary } = await imported('version07.h5', 'version07.pkl');
  expect(summary.renamed).toEqual({ _unk_: 'xxunk', _pad_: 'xxpad', t_up: 'xxup', tk_rep: 'xxrep', tk_wrep: 'xxwrep' });
  expect(summary.missing).toEqual(['xxbos', 'xxeos', 'xxfld', 'xxmaj']);
  expect(model.vocabulary.tokens.slice(0, 11).join(' ')).toBe('xxunk xxpad xxbos xxeos xxfld xxrep xxwrep xxup xxmaj the film');
  expect(model.vocabulary.tokens.slice(-5)).toEqual(["'s", 'xxfake', 'xxfake', 'xxfake', 'xxfake']);
  const { data } = model.tensors.get('embedding.weight') ?? { data: [] };
  const row = (id: number): number[] => Array.from(data.slice(6 * id, 6 * id + 6));
  const old = facts.tokens.version07.map((token) => row(model.vocabulary.idOf(summary.renamed[token] ?? token)));
  const mean = old[0]?.map((_, column) => old.reduce((sum, values) => sum + (values[column] ?? 0), 0) / old.length) ?? [];
  for (const token of summary.missing) expect(relativeDifference(row(model.vocabulary.idOf(token)), mean)).toBeLessThan(1e-6);
});

it('the model card says what was imported, and nothing of where it lay', async () => {
  const { out, summary } = await imported('version07.h5', 'version07.pkl', { dataLicence: 'CC BY-SA 3.0' });
  const card = await readFile(join(out, 'README.md'), 'utf8');
  for (const text of [
    summary.weights.sha256,
    summary.vocabulary.sha256,
    'version07.h5',
    '_unk_ is xxunk',
    'spaCy',
    'CC BY-SA 3.0',
    'hidden 10',
  ])
    expect(card).toContain(text);
  expect(card).not.toContain('golden');
  expect(summary.weights.sha256).toMatch(/^[\da-f]{64}$/);
});

const MALICIOUS = [
  ['malicious-reduce.pth', 'posix.system'],
  ['malicious-optimizer.pth', '__builtin__.eval'],
  ['malicious-old-format.pth', '__builtin__.exec'],
  ['malicious-setstate.pth', '__main__.Trap'],
  ['malicious-inst.pth', 'posix.system'],
  ['malicious-obj.pth', 'posix.system'],
  ['malicious-stack-global.pth', 'posix.system'],
] as const;

describe('a file that would run something', () => {
  it.each(MALICIOUS)('%s is refused, and nothing runs', async (name, named) => {
    const folder = await temporaryFolder();
    const { code, stdout, stderr } = await ulmfit(['import-fastai', file(name), '--vocab', file('version2.pkl'), '--out', 'model'], {
      cwd: folder,
    });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`${file(name)} names ${named}: `);
    expect(stderr).toContain('Nothing in the file was run.');
    expect(stderr.trimEnd()).not.toContain('\n');
    expect(await readdir(folder)).toEqual([]); // neither a model nor what the file would have written
    expect(existsSync(facts.marker)).toBe(false);
  });

  it('a vocabulary is refused in the same way', async () => {
    await expect(imported('learner.pth', 'malicious-vocabulary.pkl')).rejects.toThrow(
      /names posix\.system: a vocabulary has no business with it/,
    );
    expect(existsSync(facts.marker)).toBe(false);
  });
});

describe('what does not fit', () => {
  it.each([
    ['another vocabulary', 'learner.pth', () => file('classifier.pth'), /classifier\.pth is neither a Python pickle nor JSON/],
    ['a vocabulary as weights', 'version1.pkl', () => file('version1.pkl'), /is a Python pickle, but no file that torch\.save wrote/],
    [
      'a safetensors file',
      '../language-model.safetensors',
      () => file('version1.pkl'),
      /is no file that torch\.save wrote: it is a safetensors file/,
    ],
    ['text', '../../README.md', () => file('version1.pkl'), /is no file that torch\.save wrote/],
    ['nothing', 'missing.pth', () => file('version1.pkl'), /Cannot read .*missing\.pth: no such file/],
  ])('%s', async (_, weights, vocabulary, message) => {
    const folder = await temporaryFolder();
    const out = join(folder, 'model');
    const error = await importFastai(file(weights), { vocabulary: vocabulary(), out }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UserError);
    expect(String(error)).toMatch(message);
    expect(await readdir(folder)).toEqual([]);
  });

  it('too few words', async () => {
    const folder = await temporaryFolder({ 'words.json': JSON.stringify(facts.tokens.version2.slice(0, -1)) });
    const importing = importFastai(file('learner.pth'), { vocabulary: join(folder, 'words.json'), out: join(folder, 'model') });
    await expect(importing).rejects.toThrow(
      /words\.json has 23 words and .*learner\.pth has 24 rows of weights: they do not belong together\./,
    );
  });

  it.each(['learner.pth', 'version1.pth', 'version07.h5', 'views.pth'])('%s, cut off anywhere', async (name) => {
    const folder = await temporaryFolder();
    const path = join(folder, name);
    await copyFile(file(name), path);
    const { length } = await readFile(path);
    for (let kept = length - 1; kept >= 0; kept -= Math.ceil(length / 60)) {
      const handle = await open(path, 'r+');
      await handle.truncate(kept);
      await handle.close();
      const error = await importFastai(path, { vocabulary: file('version2.pkl'), out: join(folder, 'model') }).catch(
        (reason: unknown) => reason,
      );
      expect(error, `${kept} bytes`).toBeInstanceOf(UserError);
    }
    expect(await readdir(folder)).toEqual([name]);
  });

  it('a folder that holds something', async () => {
    const folder = await temporaryFolder({ 'model/notes.txt': 'mine' });
    const importing = importFastai(file('learner.pth'), { vocabulary: file('version2.pkl'), out: join(folder, 'model') });
    await expect(importing).rejects.toThrow(/model is not empty/);
    expect(await readdir(join(folder, 'model'))).toEqual(['notes.txt']);
  });
});

it('the command line tells what it has imported', async () => {
  const folder = await temporaryFolder();
  const args = ['import-fastai', file('version1.pth'), '--vocab', file('version1.pkl'), '--direction', 'backward'];
  const told = await ulmfit([...args, '--out', 'model'], { cwd: folder });
  expect(told).toEqual({
    code: 0,
    stdout: '',
    stderr: 'Written to model: a language model (backward), 3 layers, embedding 6, hidden 10, vocabulary 24.\n',
  });
  const asJson = await ulmfit([...args, '--out', 'second', '--json'], { cwd: folder });
  expect(JSON.parse(asJson.stdout)).toMatchObject({ out: 'second', kind: 'languageModel', sizes: { hidden: 10 }, notes: [], renamed: {} });
});
