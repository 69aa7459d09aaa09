/**
 * The exported graph in Python: accepted by onnx.checker, and answered alike by Python's onnxruntime and by ONNX's reference
 * evaluator. Needs an interpreter with the packages onnx and onnxruntime: ULMFIT_PYTHON names it, `python3` unless told.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { InferenceSession } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { readBundle } from '../../export/bundleFolder.ts';
import { classify } from '../../export/parity.ts';
import { referenceProbabilities } from '../fixtures/referenceClassifier.ts';
import { type TinyClassifier, tinyDocument, writeTinyBundle } from '../fixtures/tinyClassifier.ts';

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

function askPython(bundle: string, documents: readonly Int32Array[]): Answers {
  const input = JSON.stringify({ bundle, documents: documents.map((document) => [...document]) });
  const script = join(import.meta.dirname, 'run_bundle.py');
  const { status, stdout, stderr } = spawnSync(python, [script], { input, encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (status !== 0) throw new Error(`run_bundle.py failed:\n${stderr}`);
  return JSON.parse(stdout) as Answers;
}

describe('a bundle in Python', () => {
  let home: string;
  let model: TinyClassifier;
  const documents = [1, 19, 20, 21, 57, 8].map((length) => tinyDocument(length, { seed: length }));

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'ulmfit-python-'));
    ({ model } = await writeTinyBundle(join(home, 'whole'), { chunkLength: 20 }));
    await writeTinyBundle(join(home, 'cut'), { chunkLength: 20, maxShardBytes: 8192 });
  });

  afterAll(() => rm(home, { recursive: true, force: true }));

  it.for(['whole', 'cut'])('is valid and gives the same answers, its weights %s', async (name, { skip }) => {
    if (missing !== undefined && named === undefined) return skip(missing);
    const answers = askPython(join(home, name), documents);
    const { bundle, graphPath } = await readBundle(join(home, name));
    const session = await InferenceSession.create(graphPath);
    const inNode = await classify(session, bundle, documents);
    await session.release();

    for (const [index, document] of documents.entries()) {
      const expected = referenceProbabilities(model.tensors, document);
      for (const [label, probability] of expected.entries()) {
        const where = `document ${index}, label ${label}`;
        expect(answers.reference[index]?.[label], where).toBeCloseTo(probability, 4);
        expect(answers.onnxruntime[index]?.[label], where).toBeCloseTo(probability, 4);
        expect(answers.onnxruntime[index]?.[label], where).toBeCloseTo(inNode[index]?.[label] ?? Number.NaN, 6);
      }
    }
  });
});
