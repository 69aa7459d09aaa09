import { describe, expect, it } from 'vitest';

import { UserError } from '../text/errors.ts';
import {
  type Bundle,
  bundleChecksumText,
  checkedFiles,
  checkNameAndVersion,
  layerSizes,
  LOWEST_FLOAT32,
  parseBundle,
  parseVocabulary,
  sha256Hex,
  verifyChecksum,
} from './bundle.ts';

const DIGEST = 'a'.repeat(64);

function example(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    schemaVersion: 1,
    name: 'reviews',
    version: '1.0',
    task: 'singleLabel',
    labels: ['negative', 'positive'],
    tokenizerVersion: 1,
    direction: 'forward',
    sizes: { vocabulary: 4, embedding: 2, hidden: 3, layers: 2 },
    chunkLength: 70,
    precision: 'fp32',
    graph: 'model.onnx',
    shards: ['weights-00.bin'],
    vocabulary: 'vocabulary.json',
    checksums: { 'bundle.json': DIGEST, 'model.onnx': DIGEST, 'weights-00.bin': DIGEST, 'vocabulary.json': DIGEST },
    parity: { documents: 8, maxProbabilityDifference: 1e-7, labelDisagreements: 0 },
    created: '2026-01-31T12:00:00.000Z',
    producer: 'ulmfit 0.1.0',
    ...changes,
  };
}

describe('parseBundle', () => {
  it('takes a description with and without what is optional', () => {
    expect(parseBundle(example()).labels).toEqual(['negative', 'positive']);
    const full = example({ metrics: { accuracy: 0.9 }, dataLicence: 'CC BY 4.0' });
    expect(parseBundle(full)).toEqual(full);
  });

  it.each<[string, unknown, string]>([
    ['a list', [], 'does not hold a JSON object'],
    ['null', null, 'does not hold a JSON object'],
    ['a newer format', example({ schemaVersion: 2, surprise: true }), 'schema version 2; this program reads version 1. Use a newer ulmfit'],
    ['a newer tokenizer', example({ tokenizerVersion: 3 }), 'version 3 of the tokenizer; this program has version 1'],
    ['no labels', example({ labels: undefined }), 'labels: '],
    ['one label', example({ labels: ['only'] }), 'labels: '],
    ['a label twice', example({ labels: ['a', 'a'] }), 'every label may stand there once only'],
    ['a label that is no text', example({ labels: ['a', 3] }), 'labels.1: '],
    ['a size of zero', example({ sizes: { vocabulary: 4, embedding: 0, hidden: 3, layers: 2 } }), 'sizes.embedding: '],
    ['a broken chunk length', example({ chunkLength: 1.5 }), 'chunkLength: '],
    ['a shard elsewhere', example({ shards: ['../weights-00.bin'] }), 'shards.0: expected a file name like "weights-00.bin"'],
    [
      'a shard without a checksum',
      example({ shards: ['weights-00.bin', 'weights-01.bin'] }),
      'checksums: expected one for bundle.json and for every file',
    ],
    ['a checksum that is none', example({ checksums: { 'model.onnx': 'abc' } }), 'expected a SHA-256 in 64 hexadecimal digits'],
    ['a name that no address can hold', example({ name: 'my reviews' }), 'name: expected up to 128 letters'],
    ['an unknown entry', example({ quantized: true }), 'quantized'],
    ['another precision', example({ precision: 'int8' }), 'precision: '],
    [
      'parity that is no number',
      example({ parity: { documents: 8, maxProbabilityDifference: null, labelDisagreements: 0 } }),
      'parity.maxProbabilityDifference: ',
    ],
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
      { chunkLength: 71 },
      { checksums: { ...bundle.checksums, 'model.onnx': 'b'.repeat(64) } },
      { parity: { ...bundle.parity, labelDisagreements: 1 } },
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
    ['weights-00.bin', 'weights-00.bin is damaged or belongs to another bundle'],
  ])('names %s where it differs', (file, message) => {
    const bundle = parseBundle(example());
    expect(() => verifyChecksum(bundle, file, DIGEST)).not.toThrow();
    expect(() => verifyChecksum(bundle, file, 'b'.repeat(64))).toThrow(message);
  });
});

describe('parseVocabulary', () => {
  it('takes as many tokens as the model has vectors', () => {
    expect(parseVocabulary(parseBundle(example()), ['a', 'b', 'c', 'd'])).toEqual(['a', 'b', 'c', 'd']);
    expect(() => parseVocabulary(parseBundle(example()), ['a', 'b'])).toThrow('vocabulary.json has 2 tokens, but the model has 4');
    expect(() => parseVocabulary(parseBundle(example()), { a: 0 })).toThrow('vocabulary.json is not a JSON array of tokens');
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

  it('lists the files that have checksums', () => {
    expect(checkedFiles(parseBundle(example()))).toEqual(['bundle.json', 'model.onnx', 'weights-00.bin', 'vocabulary.json']);
  });

  it('refuses names and versions that an address cannot hold', () => {
    expect(() => checkNameAndVersion('reviews', '2026-01-31')).not.toThrow();
    expect(() => checkNameAndVersion('a/b', '1')).toThrow('cannot have the name "a/b"');
    expect(() => checkNameAndVersion('a', '')).toThrow('cannot have the version ""');
  });
});
