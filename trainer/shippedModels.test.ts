import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { temporaryFolder } from '../test/temporaryFolder.ts';
import { readMembers } from './checkpoint/modelFolder.ts';
import { locateBundle, locateModel, shippedBundles, shippedModels } from './shippedModels.ts';

/** A folder of models as this program comes with. */
function shipped(): Promise<string> {
  return temporaryFolder({
    'wiki-small/forward/model.json': '{}',
    'wiki-small/backward/model.json': '{}',
    'sentiment-small/model.json': '{}',
    'sentiment-small/bundle/bundle.json': '{}',
    'README.md': 'about the models',
  });
}

describe('locateModel', () => {
  it('finds a model that came along by its name, and one of a pair', async () => {
    const folder = await shipped();
    expect(await locateModel('wiki-small', folder)).toBe(join(folder, 'wiki-small'));
    expect(await locateModel('wiki-small/backward', folder)).toBe(join(folder, 'wiki-small/backward'));
  });

  it('takes a path that exists, also one with the name of such a model', async () => {
    const [folder, own] = await Promise.all([shipped(), temporaryFolder()]);
    await mkdir(join(own, 'wiki-small'));
    const before = process.cwd();
    onTestFinished(() => process.chdir(before));
    process.chdir(own);
    expect(await locateModel('wiki-small', folder)).toBe('wiki-small');
    expect(await locateModel('sentiment-small', folder)).toBe(join(folder, 'sentiment-small'));
  });

  it.each(['wiki-tiny', 'README.md', '../secret', 'wiki-small/../sentiment-small', '/wiki-small', 'wiki-small/model.json', ''])(
    'leaves %j as it is',
    async (name) => expect(await locateModel(name, await shipped())).toBe(name),
  );
});

describe('locateBundle', () => {
  it('finds the bundle of a classifier that came along, and takes paths as they are', async () => {
    const folder = await shipped();
    expect(await locateBundle('sentiment-small', folder)).toBe(join(folder, 'sentiment-small/bundle'));
    expect(await locateBundle('runs/bundle', folder)).toBe('runs/bundle');
    expect(await locateBundle('wiki-small', folder)).toBe(join(folder, 'wiki-small')); // whoever reads it says that it is no bundle
  });

  it('finds the bundle in a folder that is named by its path', async () => {
    const folder = await shipped();
    const bundle = join(folder, 'sentiment-small', 'bundle');
    expect(await locateBundle(join(folder, 'sentiment-small'))).toBe(bundle);
    expect(await locateBundle(bundle)).toBe(bundle);
    expect(await locateBundle(folder)).toBe(folder);
  });
});

it('lists what came along, and what of it can be served', async () => {
  const folder = await shipped();
  expect(await shippedModels(folder)).toEqual(['sentiment-small', 'wiki-small']);
  expect(await shippedBundles(folder)).toEqual(['sentiment-small']);
  expect(await shippedModels(join(folder, 'nothing'))).toEqual([]);
});

it('reads the language model that comes with this program', async () => {
  const models = await readMembers('wiki-small', 'languageModel');
  expect(models[0]?.description.direction).toBe('forward');
});

it('names the models that came along where there is none of that name', async () => {
  await expect(readMembers('wiki-smal')).rejects.toThrow(
    /^There is no model folder wiki-smal\. Give the path of a folder that holds model\.json, or the name of a model that came with ulmfit: .*"wiki-small"/,
  );
});
