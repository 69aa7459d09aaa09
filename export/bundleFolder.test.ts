import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { type TinyClassifier, writeTinyBundle } from '../test/fixtures/tinyClassifier.ts';
import { UserError } from '../text/errors.ts';
import { type Bundle, BUNDLE_FILE, bundleChecksumText, sha256Hex } from './bundle.ts';
import { readBundle, writeBundle } from './bundleFolder.ts';

let home: string;
let original: string;
let bundle: Bundle;
let model: TinyClassifier;
let folder: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'ulmfit-bundle-'));
  original = join(home, 'original');
  ({ bundle, model } = await writeTinyBundle(original));
});

beforeEach(async () => {
  folder = join(await mkdtemp(join(home, 'copy-')), 'bundle');
  await cp(original, folder, { recursive: true });
});

afterAll(() => rm(home, { recursive: true, force: true }));

async function edit(change: (json: Record<string, unknown>) => void): Promise<void> {
  const path = join(folder, BUNDLE_FILE);
  const json = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  change(json);
  await writeFile(path, JSON.stringify(json));
}

/** Writes a bundle whose own checksum is right, as somebody would who makes one by hand. */
async function forge(changed: Bundle): Promise<void> {
  const checksums = { ...changed.checksums, [BUNDLE_FILE]: await sha256Hex(bundleChecksumText(changed)) };
  await writeFile(join(folder, BUNDLE_FILE), JSON.stringify({ ...changed, checksums }));
}

async function refusal(): Promise<string> {
  const error: unknown = await readBundle(folder).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  const { message } = error as UserError;
  expect(message).toMatch(new RegExp(`^Bundle ${folder.replaceAll('\\', '\\\\')}: `));
  return message;
}

describe('readBundle', () => {
  it('reads what was written', async () => {
    const read = await readBundle(folder);
    expect(read.bundle).toEqual(bundle);
    expect(read.members).toEqual([
      { description: bundle.members[0], vocabulary: model.vocabulary, graphPath: join(folder, 'forward.onnx') },
    ]);
  });

  it('does not mind a rewritten model card or another layout of bundle.json', async () => {
    await writeFile(join(folder, 'README.md'), '# Ours');
    await edit(() => undefined);
    expect((await readBundle(folder)).bundle).toEqual(bundle);
  });

  it('refuses a folder that is not there, and one that is no bundle', async () => {
    await rm(join(folder, BUNDLE_FILE));
    expect(await refusal()).toContain('there is no bundle.json in it');
    await rm(folder, { recursive: true });
    expect(await refusal()).toContain('there is no bundle.json in it');
  });

  it('refuses a truncated shard', async () => {
    await truncate(join(folder, 'forward-weights-00.bin'), 1000);
    expect(await refusal()).toContain('forward-weights-00.bin is damaged or belongs to another bundle');
  });

  it('refuses a shard of which one bit has changed', async () => {
    const bytes = await readFile(join(folder, 'forward-weights-00.bin'));
    bytes[5000] = (bytes[5000] ?? 0) ^ 1;
    await writeFile(join(folder, 'forward-weights-00.bin'), bytes);
    expect(await refusal()).toContain('forward-weights-00.bin is damaged');
  });

  it('refuses a missing shard and a missing graph', async () => {
    await rm(join(folder, 'forward-weights-00.bin'));
    expect(await refusal()).toContain('forward-weights-00.bin is missing');
    await rm(join(folder, 'forward.onnx'));
    expect(await refusal()).toContain('forward.onnx is missing');
  });

  it('refuses a bundle.json whose labels were edited', async () => {
    await edit((json) => (json['labels'] = ['bad', 'good', 'neutral']));
    expect(await refusal()).toContain('bundle.json was changed after the export');
  });

  it('refuses a bundle.json that is not JSON', async () => {
    await writeFile(join(folder, BUNDLE_FILE), '{"schemaVersion": 2,');
    expect(await refusal()).toContain('bundle.json is not JSON');
  });

  it('refuses a newer format before it looks at anything else', async () => {
    await edit((json) => {
      json['schemaVersion'] = 4;
      delete json['labels'];
    });
    expect(await refusal()).toContain('schema version 4; this program reads versions 2 and 3');
  });

  it('refuses the format before this one, and says how to get a new bundle', async () => {
    await edit((json) => {
      json['schemaVersion'] = 1;
      delete json['members'];
    });
    expect(await refusal()).toContain(
      'schema version 1; this program reads versions 2 and 3. Export the model again with `ulmfit export`.',
    );
  });

  it("refuses another model's vocabulary", async () => {
    await writeFile(join(folder, 'vocabulary.json'), JSON.stringify(model.vocabulary.toReversed()));
    expect(await refusal()).toContain('vocabulary.json is not the vocabulary that the model was exported with');
  });

  it('refuses a vocabulary of another size even under its right checksum', async () => {
    const text = JSON.stringify(model.vocabulary.slice(1));
    await writeFile(join(folder, 'vocabulary.json'), text);
    await forge({ ...bundle, checksums: { ...bundle.checksums, 'vocabulary.json': await sha256Hex(text) } });
    expect(await refusal()).toContain('vocabulary.json has 199 tokens, but the model has 200');
  });
});

describe('readBundle of a pair', () => {
  let pair: string;
  let models: readonly TinyClassifier[];

  beforeAll(async () => {
    pair = join(home, 'pair');
    ({ models } = await writeTinyBundle(pair, { backward: { hidden: 20 } }));
  });

  beforeEach(async () => {
    await rm(folder, { recursive: true });
    await cp(pair, folder, { recursive: true });
  });

  it('reads both members, each with its own vocabulary', async () => {
    const { members } = await readBundle(folder);
    expect(members.map(({ description }) => [description.direction, description.sizes.hidden])).toEqual([
      ['forward', 32],
      ['backward', 20],
    ]);
    expect(members.map(({ vocabulary }) => vocabulary)).toEqual(models.map(({ vocabulary }) => vocabulary));
    expect(models[0]?.vocabulary).not.toEqual(models[1]?.vocabulary);
    expect(members.map(({ graphPath }) => graphPath)).toEqual([join(folder, 'forward.onnx'), join(folder, 'backward.onnx')]);
  });

  it.each(['forward-weights-00.bin', 'backward-weights-00.bin'])('refuses a truncated %s', async (shard) => {
    await truncate(join(folder, shard), 1000);
    expect(await refusal()).toContain(`${shard} is damaged or belongs to another bundle`);
  });

  it('refuses members whose files were exchanged', async () => {
    await cp(join(folder, 'forward.onnx'), join(folder, 'backward.onnx'));
    expect(await refusal()).toContain('backward.onnx is damaged or belongs to another bundle');
  });

  it('refuses a bundle.json whose directions were exchanged, even under its right checksum', async () => {
    const { bundle: description } = await readBundle(folder);
    const [forward, backward] = description.members;
    if (forward === undefined || backward === undefined) throw new Error('A pair has two members.');
    const members = [
      { ...backward, direction: forward.direction },
      { ...forward, direction: backward.direction },
    ];
    await forge({ ...description, members });
    expect(await refusal()).toContain('the names of its files must begin with its direction');
  });

  it('shares a vocabulary that both know', async () => {
    const shared = join(home, 'shared');
    const { bundle: description } = await writeTinyBundle(shared, { backward: { otherWords: false } });
    expect(description.members.map(({ vocabulary }) => vocabulary)).toEqual(['vocabulary.json', 'vocabulary.json']);
    const [forward, backward] = (await readBundle(shared)).members;
    expect(forward?.vocabulary).toBe(backward?.vocabulary);
    expect((await readdir(shared)).toSorted()).toEqual([
      'README.md',
      'backward-weights-00.bin',
      'backward.onnx',
      'bundle.json',
      'forward-weights-00.bin',
      'forward.onnx',
      'parity.json',
      'vocabulary.json',
    ]);
  });
});

describe('writeBundle', () => {
  const files = new Map([
    ['forward.onnx', Uint8Array.of(1)],
    ['forward-weights-00.bin', Uint8Array.of(2)],
    ['vocabulary.json', new TextEncoder().encode('[]')],
  ]);
  const content = (): { bundle: Omit<Bundle, 'checksums'>; modelCard: string } => {
    const { checksums: _, ...description } = bundle;
    return { bundle: { ...description, version: 'new' }, modelCard: '# Card' };
  };

  it('lets the description be made where the files already lie', async () => {
    const target = join(folder, '..', 'fresh', 'inside');
    await writeBundle(target, files, async (staging) => {
      expect((await readdir(staging)).toSorted()).toEqual(['forward-weights-00.bin', 'forward.onnx', 'vocabulary.json']);
      await expect(readdir(target)).rejects.toThrow('ENOENT');
      return content();
    });
    expect((await readdir(target)).toSorted()).toEqual([
      'README.md',
      'bundle.json',
      'forward-weights-00.bin',
      'forward.onnx',
      'vocabulary.json',
    ]);
    expect(await readdir(join(target, '..'))).toEqual(['inside']);
  });

  it('replaces an earlier bundle and an empty folder', async () => {
    await writeBundle(folder, files, async () => content());
    expect(await readFile(join(folder, 'forward-weights-00.bin'))).toHaveLength(1);
    const empty = join(folder, '..', 'empty');
    await mkdir(empty);
    await writeBundle(empty, files, async () => content());
    expect((await readdir(join(folder, '..'))).toSorted()).toEqual(['bundle', 'empty']);
  });

  it('replaces a bundle of the format before this one, whose files had other names', async () => {
    for (const [now, then] of [
      ['forward.onnx', 'model.onnx'],
      ['forward-weights-00.bin', 'weights-00.bin'],
    ] as const)
      await rename(join(folder, now), join(folder, then));
    await writeBundle(folder, files, async () => content());
    expect(await readdir(folder)).not.toContain('model.onnx');
  });

  it('leaves the earlier bundle as it was, and nothing else, when something fails', async () => {
    await expect(writeBundle(folder, files, () => Promise.reject(new Error('no parity')))).rejects.toThrow('no parity');
    expect((await readBundle(folder)).bundle).toEqual(bundle);
    expect(await readdir(join(folder, '..'))).toEqual(['bundle']);
  });

  it('does not write a description that could not be read again', async () => {
    const wrong = async () => ({ ...content(), bundle: { ...content().bundle, labels: [] } });
    await expect(writeBundle(folder, files, wrong)).rejects.toThrow('labels: ');
    expect((await readBundle(folder)).bundle).toEqual(bundle);
  });

  it('refuses to replace what is not a bundle, or is more than one', async () => {
    await writeFile(join(folder, 'notes.txt'), 'mine');
    await expect(writeBundle(folder, files, async () => content())).rejects.toThrow('holds notes.txt besides a bundle');
    await rm(join(folder, BUNDLE_FILE));
    await expect(writeBundle(folder, files, async () => content())).rejects.toThrow('holds files, but no bundle');
    await expect(writeBundle(join(folder, 'notes.txt'), files, async () => content())).rejects.toThrow('is a file');
    expect(await readFile(join(folder, 'notes.txt'), 'utf8')).toBe('mine');
  });
});
