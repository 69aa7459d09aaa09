/**
 * Exported graphs in Python: accepted by onnx.checker, and answered alike by Python's onnxruntime and by ONNX's reference
 * evaluator. Needs an interpreter with the packages onnx and onnxruntime: ULMFIT_PYTHON names it, `python3` unless told.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { InferenceSession } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { answerOf, meanAnswer } from '../../export/answers.ts';
import { readBundle } from '../../export/bundleFolder.ts';
import { graphLogits } from '../../export/parity.ts';
import { Vocabulary } from '../../text/vocabulary.ts';
import {
  expectedAnswer,
  type TinyBundleOptions,
  tinyClassifier,
  tinyDocument,
  tokensOf,
  writeTinyBundle,
} from '../fixtures/tinyClassifier.ts';

/** An interpreter that is named must have the packages; the system's own may lack them. */
const named = process.env['ULMFIT_PYTHON'];
const python = named ?? 'python3';
const probe = spawnSync(python, ['-c', 'import numpy, onnx, onnxruntime'], { encoding: 'utf8' });
const missing =
  probe.error?.message ??
  (probe.status === 0 ? undefined : `${python} cannot import onnx and onnxruntime: ${probe.stderr.trim().split('\n').at(-1)}`);

interface Answers {
  readonly onnxruntime: readonly number[][];
  readonly reference: readonly number[][];
}

/** Python's own answers to documents, given as tokens. */
function askPython(bundle: string, documents: readonly (readonly string[])[]): Answers {
  const input = JSON.stringify({ bundle, documents });
  const script = join(import.meta.dirname, 'run_bundle.py');
  const { status, stdout, stderr } = spawnSync(python, [script], { input, encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (status !== 0) throw new Error(`run_bundle.py failed:\n${stderr}`);
  return JSON.parse(stdout) as Answers;
}

/** What onnxruntime-node makes of the same graphs. */
async function askNode(folder: string, documents: readonly (readonly string[])[]): Promise<Float32Array[]> {
  const { bundle, members } = await readBundle(folder);
  const answers: Float32Array[][] = [];
  for (const { description, vocabulary, graphPath } of members) {
    const session = await InferenceSession.create(graphPath);
    const encoded = documents.map((tokens) => Vocabulary.fromTokens(vocabulary).encode(tokens));
    const ids = description.direction === 'backward' ? encoded.map((forwards) => forwards.toReversed()) : encoded;
    const logits = await graphLogits(session, description, ids);
    answers.push(logits.map((row) => answerOf(bundle, row)));
    await session.release();
  }
  return documents.map((_, index) => meanAnswer(answers.map((member) => member[index] ?? new Float32Array())));
}

const KINDS: readonly (readonly [name: string, options: TinyBundleOptions])[] = [
  ['whole weights', {}],
  ['weights that are cut', { maxShardBytes: 8192 }],
  ['a pair', { backward: { hidden: 20, chunkLength: 13 } }],
  ['a pair for several labels, with temperatures', { task: 'multiLabel', temperature: 1.8, backward: { temperature: 0.6 } }],
  ['a pair for a number between bounds', { task: 'regression', range: [-1, 1], backward: {} }],
  ['a backward model for a number', { task: 'regression', direction: 'backward' }],
  ['16-bit weights', { precision: 'fp16', maxShardBytes: 8192 }],
  ['8-bit weights', { precision: 'int8' }],
  ['8-bit weights that are cut', { precision: 'int8', maxShardBytes: 4096 }],
  ['a pair for several labels in 8 bits', { precision: 'int8', seed: 1, task: 'multiLabel', temperature: 1.8, backward: {} }],
  ['a pair for a number in 8 bits', { precision: 'int8', task: 'regression', range: [-1, 1], backward: {} }],
];

/** How far Python's onnxruntime may be from the trainer's equations, from ONNX's reference evaluator, and from onnxruntime-node. */
const CLOSENESS = {
  fp32: { ofTrainer: 5e-5, ofReference: 5e-5, ofNode: 5e-7 },
  fp16: { ofTrainer: 1e-3, ofReference: 5e-5, ofNode: 5e-7 },
  int8: { ofTrainer: 0.05, ofReference: 2e-3, ofNode: 2e-3 },
} as const;

describe('a bundle in Python', () => {
  let home: string;
  const usual = tinyClassifier();
  const documents = [1, 19, 20, 21, 57, 8].map((length) => tokensOf(tinyDocument(length, { seed: length }), usual));

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'ulmfit-python-'));
  });

  afterAll(() => rm(home, { recursive: true, force: true }));

  it.for(KINDS)('is valid and gives the same answers: %s', async ([name, options], { skip }) => {
    if (missing !== undefined && named === undefined) return skip(missing);
    const folder = join(home, name);
    const { bundle, models } = await writeTinyBundle(folder, { chunkLength: 20, ...options });
    const answers = askPython(folder, documents);
    const inNode = await askNode(folder, documents);
    // Rounding to few bits makes of the last bit of a float32, in which programs differ, a whole step now and then.
    const { ofTrainer, ofReference, ofNode } = CLOSENESS[bundle.precision];
    for (const [index, document] of documents.entries()) {
      const expected = expectedAnswer(models, document);
      for (const [place, value] of expected.entries()) {
        const where = `document ${index}, place ${place}`;
        const runtime = answers.onnxruntime[index]?.[place] ?? Number.NaN;
        expect(Math.abs(runtime - value), where).toBeLessThan(ofTrainer);
        expect(Math.abs(runtime - (answers.reference[index]?.[place] ?? Number.NaN)), where).toBeLessThan(ofReference);
        expect(Math.abs(runtime - (inNode[index]?.[place] ?? Number.NaN)), where).toBeLessThan(ofNode);
      }
    }
  });
});
