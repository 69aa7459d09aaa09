/**
 * Training with our own operations and with TensorFlow's alone (ULMFIT_PLAIN_OPS=1) must be the same training: one step of a classifier
 * number by number, and whole runs by their losses.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from 'vitest';

import { hasFusedOps } from '../trainer/engine/operations.ts';
import { start } from '../trainer/engine/testSupport.ts';
import { SKIPPED_OPS } from '../trainer/testSupport.ts';
import { ulmfit } from './cli/commandLine.ts';
import { generatedDocuments, generatedReviews, jsonLines } from './fixtures/generatedText.ts';
import { relativeDifference } from './parity/closeness.ts';

/** Of each tensor of a step, relative to its largest element. Found: up to 2e-5, because the batch norm of ten documents magnifies. */
const STEP_TOLERANCE = 1e-4;
/** Of each recorded loss of a run, relative to it. Found: 2e-7. */
const CURVE_TOLERANCE = 1e-5;

const OWN = { ULMFIT_PLAIN_OPS: '0' };
const PLAIN = { ULMFIT_PLAIN_OPS: '1' };

const PRETRAINING =
  '--embedding 20 --hidden 36 --layers 2 --vocab 100 --batch 9 --bptt 8 --epochs 10 --max-steps 200 --drop-mult 0.5'.split(' ');
const TRAINING = '--epochs 4 --batch 10 --bptt 8 --bptt-window 16 --drop-mult 1'.split(' ');

interface Step {
  readonly loss: number;
  readonly logits: number[];
  /** Hidden state and cell of the last layer, and the pooled values, where each document's window begins. */
  readonly before: number[][];
  readonly gradients: Record<string, number[]>;
}

const module = (path: string): string => JSON.stringify(new URL(`../trainer/${path}`, import.meta.url).href);

const CASES = [
  { chunkLength: 7, window: 1440, masked: false },
  { chunkLength: 7, window: 1440, masked: true },
  { chunkLength: 7, window: 10, masked: true },
  { chunkLength: 1, window: 5, masked: true },
  { chunkLength: 70, window: 70, masked: true },
];

/** For each case one training step of a classifier, printed: documents around the borders of chunks and of the window. */
const STEPS = `
    import { hasFusedOps, tf } from ${module('engine/operations.ts')};
    import { CLASSIFIER_DROPOUTS, drawMasks } from ${module('model/awdLstm.ts')};
    import { classifierLoss, readBeforeWindow } from ${module('model/classifier.ts')};
    import { oneHot } from ${module('model/objective.ts')};
    import { isTrainable } from ${module('model/parameters.ts')};
    import { numbers, randomDocument, TINY, tinyClassifierParameters, valueAndGradients } from ${module('testSupport.ts')};
    const key = { seed: 1, step: 2 };
    const documents = [20, 1, 7, 6, 8, 14, 33, 3, 21, 7].map((length) => randomDocument(length, 'document'));
    const classes = documents.map((_, row) => row % 3);
    const parameters = tinyClassifierParameters();
    const names = [...parameters.keys()].filter(isTrainable);
    const steps = ${JSON.stringify(CASES)}.map(({ masked, ...options }) => {
      const masks = masked ? drawMasks(TINY, documents.length, { ...CLASSIFIER_DROPOUTS, output: 0 }, key) : {};
      const before = readBeforeWindow(TINY, parameters, documents, options, masks);
      let logits;
      const { value, gradients } = valueAndGradients(() => {
        const result = classifierLoss(parameters, { documents, targets: oneHot(classes, 3) }, before, options, masks, { dropout: 0.4, secondDropout: 0.1, key });
        logits = numbers(result.logits);
        return result.loss;
      }, names.map((name) => parameters.get(name)));
      const { hidden, cell } = before.state.at(-1);
      return {
        loss: value,
        logits,
        // The maximum of nothing would hide all others.
        before: [hidden, cell, before.pooled.last, tf.maximum(before.pooled.maximum, -9), before.pooled.sum].map(numbers),
        gradients: Object.fromEntries(names.map((name, index) => [name, [...gradients[index]]])),
      };
    });
    console.log(JSON.stringify({ fused: hasFusedOps, steps }));`;

async function takeSteps(environment: Record<string, string>): Promise<{ fused: boolean; steps: Step[] }> {
  const { status, stdout, stderr } = await start(STEPS, environment).ending;
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as { fused: boolean; steps: Step[] };
}

/** Every recorded loss of a run, on training and on held-out text. */
async function lossesOf(out: string): Promise<{ step: number; losses: number[] }[]> {
  const lines = (await readFile(join(out, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  return lines.map((line) => {
    const { step, loss, validationLoss } = JSON.parse(line) as Record<'step' | 'loss' | 'validationLoss', number>;
    return { step, losses: [loss, validationLoss].filter((value) => value !== undefined) };
  });
}

/** The largest difference of two curves at any step, relative to the loss there. */
function largestDifference(found: Awaited<ReturnType<typeof lossesOf>>, expected: Awaited<ReturnType<typeof lossesOf>>): number {
  expect(found.map(({ step }) => step)).toEqual(expected.map(({ step }) => step));
  const pairs = found.flatMap(({ losses }, line) => losses.map((loss, k) => Math.abs(loss / (expected[line]?.losses[k] ?? NaN) - 1)));
  return Math.max(...pairs);
}

describe.skipIf(!hasFusedOps)(`a classifier’s step with our own operations and without them${SKIPPED_OPS}`, () => {
  let own: Step[];
  let plain: Step[];
  beforeAll(async () => {
    const [withOwn, without] = await Promise.all([takeSteps(OWN), takeSteps(PLAIN)]);
    expect([withOwn.fused, without.fused]).toEqual([true, false]);
    [own, plain] = [withOwn.steps, without.steps];
  });

  it.each(CASES.map((options, index) => ({ ...options, index })))(
    'has one loss, logits and gradients: chunks of $chunkLength, a window of $window, masks $masked',
    ({ index }) => {
      const [found, expected] = [own[index], plain[index]];
      if (found === undefined || expected === undefined) throw new Error('there is no such step');
      expect(Math.abs(found.loss / expected.loss - 1)).toBeLessThan(STEP_TOLERANCE);
      expect(relativeDifference(found.logits, expected.logits)).toBeLessThan(STEP_TOLERANCE);
      for (const [part, values] of expected.before.entries()) {
        expect(relativeDifference(found.before[part] ?? [], values), `part ${part} of the reading`).toBeLessThan(STEP_TOLERANCE);
      }
      expect(Object.keys(found.gradients)).toEqual(Object.keys(expected.gradients));
      for (const [name, gradient] of Object.entries(expected.gradients)) {
        expect(relativeDifference(found.gradients[name] ?? [], gradient), name).toBeLessThan(STEP_TOLERANCE);
      }
    },
  );
});

describe.skipIf(!hasFusedOps)(`runs with our own operations and without them${SKIPPED_OPS}`, () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ulmfit-test-'));
    await writeFile(join(folder, 'corpus.jsonl'), jsonLines(generatedDocuments(80, 20, 1)));
    await writeFile(join(folder, 'reviews.jsonl'), jsonLines(generatedReviews(120, 2)));
    return () => rm(folder, { recursive: true });
  });

  it('have one curve of losses: pretraining, and training a classifier', { timeout: 120_000 }, async () => {
    const run = async (name: string, args: readonly string[], environment: Record<string, string>) => {
      const { code, stderr } = await ulmfit([...args, '--out', join(folder, name)], { environment });
      expect(code, stderr).toBe(0);
      return lossesOf(join(folder, name));
    };
    const pretraining = ['pretrain', join(folder, 'corpus.jsonl'), ...PRETRAINING];
    const [ownModel, plainModel] = await Promise.all([run('own-lm', pretraining, OWN), run('plain-lm', pretraining, PLAIN)]);
    expect(ownModel.at(-1)?.step).toBe(200);
    expect(largestDifference(ownModel, plainModel)).toBeLessThan(CURVE_TOLERANCE);

    // From one language model.
    const training = ['train', join(folder, 'reviews.jsonl'), '--from', join(folder, 'own-lm'), ...TRAINING];
    const [ownClassifier, plainClassifier] = await Promise.all([
      run('own-classifier', training, OWN),
      run('plain-classifier', training, PLAIN),
    ]);
    expect(largestDifference(ownClassifier, plainClassifier)).toBeLessThan(CURVE_TOLERANCE);
    // They are not one and the same, or nothing was compared.
    expect(ownModel).not.toEqual(plainModel);
    expect(ownClassifier).not.toEqual(plainClassifier);
  });
});
