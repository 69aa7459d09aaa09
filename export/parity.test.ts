import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { referenceProbabilities } from '../test/fixtures/referenceClassifier.ts';
import { referenceOf, type TinyClassifier, tinyClassifier, tinyDocument, writeTinyBundle } from '../test/fixtures/tinyClassifier.ts';
import type { ParityFigures } from './bundle.ts';
import { type GateMember, gateDocuments, measureParity, type ParityReport, type ReferenceClassifier, requireParity } from './parity.ts';

let folder: string;
let model: TinyClassifier;
let backward: TinyClassifier;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-parity-'));
  const { models } = await writeTinyBundle(join(folder, 'bundle'), { chunkLength: 10, backward: { seed: 31 } });
  [model, backward] = models as [TinyClassifier, TinyClassifier];
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const documents = [1, 10, 11, 55, 3, 24, 30, 9, 31].map((length) => tinyDocument(length, { seed: length }));

/** One graph of the bundle, and the trainer that it is measured against. */
function member({ config }: TinyClassifier, reference: ReferenceClassifier, changes: Partial<GateMember> = {}): GateMember {
  const { direction, sizes, chunkLength } = config;
  const graphPath = join(folder, 'bundle', `${direction}.onnx`);
  return { direction, sizes, chunkLength, graphPath, documents, reference, ...changes };
}

const SINGLE_LABEL = { task: 'singleLabel' } as const;

/** The figures of labels. */
async function measure(reference: ReferenceClassifier, changes: Partial<GateMember> = {}): Promise<LabelFigures> {
  const { bundle, members } = await measureParity(SINGLE_LABEL, [member(model, reference, changes)]);
  // The answers of a bundle of one model are that model's.
  expect(members).toEqual([{ direction: 'forward', figures: bundle }]);
  return labelFigures(bundle);
}

type LabelFigures = Extract<ParityFigures, { maxProbabilityDifference: number }>;

function labelFigures(figures: ParityFigures): LabelFigures {
  if ('maxRelativeDifference' in figures) throw new Error('These are the figures of a number.');
  return figures;
}

const require = (figures: ParityFigures): void => requireParity({ bundle: figures, members: [] });

/** The trainer's answers, changed by a function of the document's number. */
const reference =
  (change: (probabilities: number[], index: number) => number[] = (same) => same): ReferenceClassifier =>
  async (asked) =>
    asked.map((document, index) => Float32Array.from(change(referenceProbabilities(model.tensors, document), index)));

describe('gateDocuments', () => {
  it('adds the lengths around the borders of a chunk', () => {
    const made = gateDocuments([['xxbos', 'good', '!'], []], [70]);
    expect(made.map((document) => document.length)).toEqual([3, 1, 69, 70, 71, 350]);
    expect(made[4]?.slice(0, 7)).toEqual(['xxbos', 'good', '!', 'xxbos', 'good', '!', 'xxbos']);
  });

  it('adds them for every length of a chunk', () => {
    expect(gateDocuments([['a', 'b']], [70, 50]).map((document) => document.length)).toEqual([2, 1, 69, 70, 71, 350, 49, 50, 51, 250]);
    expect(gateDocuments([['a', 'b']], [70, 70])).toHaveLength(6);
  });

  it('makes no empty document where a chunk is one token', () => {
    expect(gateDocuments([['a']], [1]).map((document) => document.length)).toEqual([1, 1, 1, 2, 5]);
  });

  it('needs something to ask about', () => {
    expect(() => gateDocuments([[]], [70])).toThrow('at least one document that is not empty');
  });
});

describe('measureParity', () => {
  it('finds graph and reference to agree, alone and in padded batches', async () => {
    const figures = await measure(reference());
    expect(figures).toMatchObject({ documents: 9, labelDisagreements: 0 });
    expect(figures.maxProbabilityDifference).toBeLessThan(1e-5);
    expect(() => require(figures)).not.toThrow();
  });

  it('finds one wrong probability in one document', async () => {
    const figures = await measure(reference((right, index) => (index === 8 ? right.with(0, (right[0] ?? 0) + 2e-4) : right)));
    expect(figures.maxProbabilityDifference).toBeCloseTo(2e-4, 5);
    expect(() => require(figures)).toThrow(/differ by up to 0\.00020 \(at most 0\.0001 is accepted\), 0 of 9 documents/);
  });

  it('finds a graph that is right for single documents and wrong for padded ones', async () => {
    const broken = join(folder, 'broken');
    await cp(join(folder, 'bundle'), broken, { recursive: true });
    const graphPath = join(broken, 'forward.onnx');
    const graph = fromBinary(ModelProtoSchema, await readFile(graphPath));
    // The fifth input of an LSTM is the number of steps of each row; without it, padding moves the state.
    for (const node of graph.graph?.node ?? []) if (node.opType === 'LSTM') node.input[4] = '';
    await writeFile(graphPath, toBinary(ModelProtoSchema, graph));

    const same = documents.map(() => Int32Array.from(documents[3] ?? []));
    const rightForEqualLengths = await measure(reference(), { graphPath, documents: same });
    expect(rightForEqualLengths.maxProbabilityDifference).toBeLessThan(1e-5);
    const figures = await measure(reference(), { graphPath });
    expect(figures.maxProbabilityDifference).toBeGreaterThan(0.01);
  });

  it('counts documents with another label', async () => {
    const figures = await measure(reference((right, index) => (index < 2 ? right.map((probability) => 1 - probability) : right)));
    expect(figures.labelDisagreements).toBe(2);
  });

  it('never takes something that is not a number for agreement', async () => {
    await expect(measure(reference((right) => right.with(1, Number.NaN)))).rejects.toThrow('not a number');
    for (const figures of [{ maxProbabilityDifference: Number.NaN, labelDisagreements: 0 }, { maxRelativeDifference: Number.NaN }]) {
      expect(() => require({ documents: 1, ...figures })).toThrow('do not answer as the trainer does');
    }
  });

  it('notices answers that are missing or of the wrong size', async () => {
    await expect(measure(async () => [])).rejects.toThrow('The trainer answered 0 of 9 documents');
    await expect(measure(reference((right) => right.slice(1)))).rejects.toThrow('The graph has 3 outputs, the trainer 2');
  });
});

describe('measureParity of a pair', () => {
  /** The backward classifier's answers, changed. */
  const backwards =
    (change: (probabilities: number[], index: number) => number[] = (same) => same): ReferenceClassifier =>
    async (asked) =>
      asked.map((document, index) => Float32Array.from(change(referenceProbabilities(backward.tensors, document), index)));

  const measurePair = (...references: readonly [ReferenceClassifier, ReferenceClassifier]) =>
    measureParity(SINGLE_LABEL, [member(model, references[0]), member(backward, references[1])]);

  it('measures each member and the mean of both', async () => {
    const report = await measurePair(reference(), backwards());
    expect(report.members.map(({ direction }) => direction)).toEqual(['forward', 'backward']);
    for (const figures of [report.bundle, ...report.members.map((one) => one.figures)]) {
      expect(labelFigures(figures)).toMatchObject({ documents: 9, labelDisagreements: 0 });
      expect(labelFigures(figures).maxProbabilityDifference).toBeLessThan(1e-5);
    }
    expect(() => requireParity(report)).not.toThrow();
  });

  it('finds a wrong member whose error the mean would halve below the limit', async () => {
    const report = await measurePair(
      reference(),
      backwards((right, index) => (index === 2 ? right.with(1, (right[1] ?? 0) - 1.5e-4) : right)),
    );
    expect(labelFigures(report.bundle).maxProbabilityDifference).toBeCloseTo(0.75e-4, 5);
    expect(() => requireParity(report)).toThrow(/The exported backward graph does not answer .* differ by up to 0\.00015/);
  });

  it('finds nothing where two errors cancel in the mean, but still refuses the members', async () => {
    const report = await measurePair(
      reference((right) => right.with(0, (right[0] ?? 0) + 0.01)),
      backwards((right) => right.with(0, (right[0] ?? 0) - 0.01)),
    );
    expect(labelFigures(report.bundle).maxProbabilityDifference).toBeLessThan(1e-5);
    expect(() => requireParity(report)).toThrow('The exported forward graph does not answer');
  });

  it('refuses a mean that is wrong', () => {
    const right = { documents: 4, maxProbabilityDifference: 0, labelDisagreements: 0 };
    const report = {
      bundle: { ...right, maxProbabilityDifference: 0.2 },
      members: [
        { direction: 'forward', figures: right },
        { direction: 'backward', figures: right },
      ],
    } as const;
    expect(() => requireParity(report)).toThrow('Together the exported graphs do not answer as the trainer does');
  });
});

describe('requireParity', () => {
  const report = (figures: Partial<LabelFigures>): ParityReport => ({
    bundle: { documents: 400, maxProbabilityDifference: 0, labelDisagreements: 0, ...figures },
    members: [],
    expected: [],
  });

  it('bears larger differences where there are fewer bits', () => {
    for (const [precision, largest] of [
      ['fp32', 1e-4],
      ['fp16', 1e-3],
      ['int8', 0.05],
    ] as const) {
      expect(() => requireParity(report({ maxProbabilityDifference: largest }), precision)).not.toThrow();
      expect(() => requireParity(report({ maxProbabilityDifference: 1.1 * largest }), precision), precision).toThrow(
        `(at most ${largest} is accepted)`,
      );
    }
  });

  it('bears other labels of one document in 200 and no more, and says what to do', () => {
    expect(() => requireParity(report({ labelDisagreements: 2 }), 'int8')).not.toThrow();
    expect(() => requireParity(report({ labelDisagreements: 3 }), 'int8')).toThrow(
      /3 of 400 documents get another label \(at most 0\.5 % may\).*The model does not bear int8: export it with more bits\.$/,
    );
    expect(() => requireParity(report({ labelDisagreements: 3 }), 'fp32')).toThrow(/3 of 400 .* No bundle was written\.$/);
  });

  it('refuses a graph whose answers depend on the documents beside', () => {
    expect(() => requireParity(report({ maxBatchDifference: 2e-4 }), 'int8')).toThrow(
      'beside others the answers differ by up to 0.00020 (at most 0.0001 is accepted)',
    );
  });
});

describe('measureParity of a number', () => {
  it('finds one wrong value, and says what it measured', async () => {
    const range = [1, 5] as const;
    const home = join(folder, 'number');
    const { models } = await writeTinyBundle(home, { task: 'regression', range, chunkLength: 10 });
    const [regression = tinyClassifier()] = models;
    const right = referenceOf(regression);
    const measureNumber = (off: number) =>
      measureParity({ task: 'regression', range: [...range] }, [
        member(
          regression,
          async (asked) => (await right(asked)).map((answer, index) => answer.map((value) => value + (index === 4 ? off : 0))),
          {
            graphPath: join(home, 'forward.onnx'),
          },
        ),
      ]);
    const agreeing = await measureNumber(0);
    expect(agreeing.bundle).toEqual({ documents: 9, maxRelativeDifference: expect.any(Number), maxBatchDifference: expect.any(Number) });
    expect(() => requireParity(agreeing)).not.toThrow();
    // A thousandth of a range of 4.
    const wrong = await measureNumber(0.004);
    expect('maxRelativeDifference' in wrong.bundle && wrong.bundle.maxRelativeDifference).toBeCloseTo(0.001, 5);
    expect(() => requireParity(wrong)).toThrow(/values, as a share of their range or of themselves, differ by up to 0\.0010/);
  });
});
