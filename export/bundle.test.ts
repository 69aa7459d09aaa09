import { describe, expect, it } from 'vitest';

import { UserError } from '../text/errors.ts';
import {
  type Bundle,
  bundleChecksumText,
  checkedFiles,
  checkNameAndVersion,
  layerSizes,
  LOWEST_FLOAT32,
  outputCount,
  parseBundle,
  readVocabularies,
  sha256Hex,
  verifyChecksum,
} from './bundle.ts';

const DIGEST = 'a'.repeat(64);

function member(direction: string, changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    direction,
    sizes: { vocabulary: 4, embedding: 2, hidden: 3, layers: 2 },
    chunkLength: 70,
    graph: `${direction}.onnx`,
    shards: [`${direction}-weights-00.bin`],
    vocabulary: 'vocabulary.json',
    ...changes,
  };
}

const FILES = ['bundle.json', 'forward.onnx', 'forward-weights-00.bin', 'vocabulary.json', 'backward.onnx', 'backward-weights-00.bin'];

function example(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    schemaVersion: 3,
    name: 'reviews',
    version: '1.0',
    task: 'singleLabel',
    labels: ['negative', 'positive'],
    tokenizerVersion: 1,
    precision: 'fp32',
    members: [member('forward')],
    checksums: Object.fromEntries(FILES.map((file) => [file, DIGEST])),
    parity: { documents: 8, maxProbabilityDifference: 1e-7, labelDisagreements: 0 },
    created: '2026-01-31T12:00:00.000Z',
    producer: 'ulmfit 0.1.0',
    ...changes,
  };
}

const PAIR = { members: [member('forward'), member('backward')] };
const REGRESSION = { task: 'regression', labels: [], parity: { documents: 8, maxRelativeDifference: 1e-7 } };

describe('parseBundle', () => {
  it('takes a description with and without what is optional', () => {
    expect(parseBundle(example()).labels).toEqual(['negative', 'positive']);
    const full = example({
      members: [member('forward', { metrics: { accuracy: 0.9 }, temperature: 1.5 }), member('backward', { chunkLength: 60 })],
      dataLicence: 'CC BY 4.0',
    });
    expect(parseBundle(full)).toEqual(full);
  });

  it.each<[string, Record<string, unknown>]>([
    ['a backward model alone', { members: [member('backward')] }],
    ['several labels', { task: 'multiLabel', ...PAIR }],
    ['8 bits', { precision: 'int8' }],
    ['the version before, which had fp32 alone', { schemaVersion: 2 }],
    ['a number', REGRESSION],
    ['a number between bounds', { ...REGRESSION, ...PAIR, range: [-1, 4.5] }],
    ['a pair without shards, which has nothing that is large', { members: [member('forward', { shards: [] }), member('backward')] }],
    [
      'a pair with two vocabularies',
      {
        members: [member('forward', { vocabulary: 'forward-vocabulary.json' }), member('backward', { vocabulary: 'vocabulary.json' })],
        checksums: Object.fromEntries([...FILES, 'forward-vocabulary.json'].map((file) => [file, DIGEST])),
      },
    ],
  ])('takes %s', (_what, changes) => {
    expect(parseBundle(example(changes))).toEqual(example(changes));
  });

  it.each<[string, unknown, string]>([
    ['a list', [], 'does not hold a JSON object'],
    ['null', null, 'does not hold a JSON object'],
    [
      'a newer format',
      example({ schemaVersion: 4, surprise: true }),
      'schema version 4; this program reads versions 2 and 3. Use a newer ulmfit',
    ],
    [
      'an older format',
      { schemaVersion: 1, graph: 'model.onnx' },
      'schema version 1; this program reads versions 2 and 3. Export the model again',
    ],
    ['another task', example({ task: 'ranking' }), 'task: '],
    ['a newer tokenizer', example({ tokenizerVersion: 3 }), 'version 3 of the tokenizer; this program has version 1'],
    ['no labels', example({ labels: undefined }), 'labels: '],
    ['one label', example({ labels: ['only'] }), 'labels: expected none for regression, and at least two otherwise'],
    ['one label of several', example({ task: 'multiLabel', labels: ['only'] }), 'labels: expected none for regression, and at least two'],
    ['labels of a number', example({ ...REGRESSION, labels: ['low', 'high'] }), 'labels: expected none for regression'],
    ['a range of labels', example({ range: [0, 1] }), 'range: only a regression has one'],
    ['a range without extent', example({ ...REGRESSION, range: [2, 2] }), 'range: the first number must be the smaller one'],
    ['a range of three', example({ ...REGRESSION, range: [0, 1, 2] }), 'range'],
    ['a label twice', example({ labels: ['a', 'a'] }), 'every label may stand there once only'],
    ['a label that is no text', example({ labels: ['a', 3] }), 'labels.1: '],
    ['no member', example({ members: [] }), 'members: expected one, or the forward and after it the backward one'],
    ['two of one direction', example({ members: [member('forward'), member('forward')] }), 'members: expected one, or the forward'],
    ['the backward one first', example({ members: PAIR.members.toReversed() }), 'members: expected one, or the forward and after it'],
    ['three members', example({ members: [...PAIR.members, member('forward')] }), 'members: expected one, or the forward'],
    ['another direction', example({ members: [member('sideways')] }), 'members.0.direction: '],
    [
      "the other direction's graph",
      example({ members: [member('forward'), member('backward', { graph: 'forward.onnx' })] }),
      'members.1: the names of its files must begin with its direction',
    ],
    [
      "the other direction's weights",
      example({ members: [member('forward', { shards: ['backward-weights-00.bin'] })] }),
      'members.0: the names of its files must begin with its direction',
    ],
    [
      "the other direction's vocabulary",
      example({ members: [member('forward', { vocabulary: 'backward-vocabulary.json' })] }),
      'members.0: the names of its files must begin with its direction',
    ],
    ['a temperature of zero', example({ members: [member('forward', { temperature: 0 })] }), 'members.0.temperature: '],
    [
      'a size of zero',
      example({ members: [member('forward', { sizes: { vocabulary: 4, embedding: 0, hidden: 3, layers: 2 } })] }),
      'members.0.sizes.embedding: ',
    ],
    ['a broken chunk length', example({ members: [member('forward', { chunkLength: 1.5 })] }), 'members.0.chunkLength: '],
    [
      'a shard elsewhere',
      example({ members: [member('forward', { shards: ['../forward-weights-00.bin'] })] }),
      'members.0.shards.0: expected a file name like "forward-weights-00.bin"',
    ],
    [
      'a graph elsewhere',
      example({ members: [member('forward', { graph: 'graphs/forward.onnx' })] }),
      'members.0.graph: expected a file name',
    ],
    [
      'a shard without a checksum',
      example({ members: [member('forward'), member('backward', { shards: ['backward-weights-00.bin', 'backward-weights-01.bin'] })] }),
      'checksums: expected one for bundle.json and for every file',
    ],
    ['a checksum that is none', example({ checksums: { 'forward.onnx': 'abc' } }), 'expected a SHA-256 in 64 hexadecimal digits'],
    ['a name that no address can hold', example({ name: 'my reviews' }), 'name: expected up to 128 letters'],
    ['an unknown entry', example({ quantized: true }), 'quantized'],
    ['another precision', example({ precision: 'int4' }), 'precision: '],
    ['8 bits in version 2', example({ schemaVersion: 2, precision: 'int8' }), 'precision: schema version 2 knows fp32 only'],
    [
      'parity that is no number',
      example({ parity: { documents: 8, maxProbabilityDifference: null, labelDisagreements: 0 } }),
      'parity.maxProbabilityDifference: ',
    ],
    ['parity of a number for labels', example({ parity: REGRESSION.parity }), 'parity: expected the figures of the task'],
    ['parity of labels for a number', example({ ...REGRESSION, parity: example()['parity'] }), 'parity: expected the figures of the task'],
    ['a time that is none', example({ created: 'yesterday' }), 'created: expected a time like'],
  ])('refuses %s and says why', (_what, json, message) => {
    expect(() => parseBundle(json)).toThrow(UserError);
    expect(() => parseBundle(json)).toThrow(message);
  });
});

describe('the checksum of bundle.json', () => {
  it('does not depend on the order of entries or on itself, but on everything else', () => {
    const bundle = parseBundle(example());
    const reordered = parseBundle(Object.fromEntries(Object.entries(example()).toReversed()));
    const text = bundleChecksumText(bundle);
    expect(bundleChecksumText(reordered)).toBe(text);
    expect(bundleChecksumText({ ...bundle, checksums: { ...bundle.checksums, 'bundle.json': 'b'.repeat(64) } })).toBe(text);

    const changes: Partial<Bundle>[] = [
      { labels: ['positive', 'negative'] },
      { members: bundle.members.map((one) => ({ ...one, chunkLength: 71 })) },
      { members: bundle.members.map((one) => ({ ...one, direction: 'backward' as const })) },
      { checksums: { ...bundle.checksums, 'forward.onnx': 'b'.repeat(64) } },
      { parity: { documents: 8, maxProbabilityDifference: 1e-7, labelDisagreements: 1 } },
    ];
    for (const change of changes) expect(bundleChecksumText({ ...bundle, ...change })).not.toBe(text);
  });

  it('is a SHA-256', async () => {
    // FIPS 180-2, appendix B.1.
    expect(await sha256Hex('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });
});

describe('verifyChecksum', () => {
  it.each([
    ['bundle.json', 'bundle.json was changed after the export'],
    ['vocabulary.json', 'vocabulary.json is not the vocabulary that the model was exported with'],
    ['forward-weights-00.bin', 'forward-weights-00.bin is damaged or belongs to another bundle'],
    ['backward.onnx', 'backward.onnx is damaged or belongs to another bundle'],
  ])('names %s where it differs', (file, message) => {
    const bundle = parseBundle(example(PAIR));
    expect(() => verifyChecksum(bundle, file, DIGEST)).not.toThrow();
    expect(() => verifyChecksum(bundle, file, 'b'.repeat(64))).toThrow(message);
  });
});

describe('readVocabularies', () => {
  const read = (members: unknown, json: unknown, files: string[] = []): ReturnType<typeof readVocabularies> => {
    const bundle = parseBundle(example({ members }));
    return readVocabularies(bundle, async (file) => {
      files.push(file);
      return json;
    });
  };

  it('takes as many tokens as the model has vectors', async () => {
    expect(await read([member('forward')], ['a', 'b', 'c', 'd'])).toEqual([
      { member: member('forward'), vocabulary: ['a', 'b', 'c', 'd'] },
    ]);
    await expect(read([member('forward')], ['a', 'b'])).rejects.toThrow('vocabulary.json has 2 tokens, but the model has 4');
    await expect(read([member('forward')], { a: 0 })).rejects.toThrow('vocabulary.json is not a JSON array of tokens');
  });

  it('reads a file that two members share once, and checks it against both', async () => {
    const files: string[] = [];
    const [forward, backward] = await read(PAIR.members, ['a', 'b', 'c', 'd'], files);
    expect(files).toEqual(['vocabulary.json']);
    expect(forward?.vocabulary).toBe(backward?.vocabulary);
    const larger = member('backward', { sizes: { vocabulary: 5, embedding: 2, hidden: 3, layers: 2 } });
    await expect(read([member('forward'), larger], ['a', 'b', 'c', 'd'])).rejects.toThrow('has 4 tokens, but the model has 5');
  });
});

describe('small facts', () => {
  it('knows the sizes of the layers', () => {
    expect(layerSizes({ embedding: 400, hidden: 1152, layers: 3 })).toEqual([1152, 1152, 400]);
    expect(layerSizes({ embedding: 400, hidden: 1152, layers: 1 })).toEqual([400]);
  });

  it('knows the lowest float32', () => {
    expect(Math.fround(LOWEST_FLOAT32)).toBe(LOWEST_FLOAT32);
    expect(Math.fround(LOWEST_FLOAT32 * 1.0000001)).toBe(-Infinity);
  });

  it('lists the files that have checksums, each once', () => {
    expect(checkedFiles(parseBundle(example()))).toEqual(FILES.slice(0, 4));
    expect(checkedFiles(parseBundle(example(PAIR)))).toEqual(FILES);
  });

  it('knows how many logits there are', () => {
    expect(outputCount(parseBundle(example()))).toBe(2);
    expect(outputCount(parseBundle(example(REGRESSION)))).toBe(1);
  });

  it('refuses names and versions that an address cannot hold', () => {
    expect(() => checkNameAndVersion('reviews', '2026-01-31')).not.toThrow();
    expect(() => checkNameAndVersion('a/b', '1')).toThrow('cannot have the name "a/b"');
    expect(() => checkNameAndVersion('a', '')).toThrow('cannot have the version ""');
  });
});
