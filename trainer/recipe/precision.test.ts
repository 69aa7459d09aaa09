/** What a run's precision has to do with its checkpoints. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { latestCheckpoint, saveCheckpoint } from '../checkpoint/checkpoint.ts';
import { currentDevice } from '../engine/device.ts';
import { tf, type Tensor } from '../engine/operations.ts';
import { requestPrecision, type Precision } from '../engine/precision.ts';
import { toHost } from '../engine/transfer.ts';
import { initializeHead, initializeLanguageModel } from '../model/initialize.ts';
import { oneHot } from '../model/objective.ts';
import { encoderShapes } from '../model/parameters.ts';
import { gradualUnfreezing } from '../optim/unfreezing.ts';
import { numbers, randomDocument, repetitiveCorpus, TINY } from '../testSupport.ts';
import { ClassifierTask } from './classifierTask.ts';
import { LanguageModelTask } from './languageModelTask.ts';
import { RunFolder } from './runFolder.ts';
import { runTraining, type TrainingOptions } from './trainingLoop.ts';

const SIZES = { ...TINY, layers: 2 };
const SHARED = { batch: 4, bptt: 8, schedule: 'slanted-triangular', dropMult: 0.5, weightDecay: 0.01, clip: 0.25, seed: 1 } as const;

function languageModel() {
  const parameters = initializeLanguageModel(SIZES, 5);
  const rates = [0.01, 0.01, 0.01];
  const settings = { ...SHARED, epochs: [rates, rates], maxSteps: Number.POSITIVE_INFINITY, backwards: false };
  return { parameters, task: new LanguageModelTask(SIZES, parameters, { training: repetitiveCorpus(4, 30) }, settings) };
}

function classifier() {
  const all = initializeLanguageModel(SIZES, 5);
  const encoder = [...encoderShapes(SIZES).keys()].map((name) => [name, all.get(name) as Tensor] as const);
  const parameters = new Map([...encoder, ...initializeHead(SIZES, 2, 5)]);
  const documents = Array.from({ length: 11 }, (_, row) => randomDocument(1 + ((row * 7) % 20), `training ${row}`));
  const training = {
    documents,
    targets: oneHot(
      documents.map((_, row) => row % 2),
      2,
    ),
  };
  const epochs = gradualUnfreezing({ rates: [0.002, 0.004, 0.008, 0.01], epochs: 2 });
  return { parameters, task: new ClassifierTask(SIZES, parameters, { training }, { ...SHARED, bpttWindow: 8, epochs }) };
}

type Create = () => { task: Parameters<typeof runTraining>[0]; parameters: Map<string, Tensor> };
const TASKS: [string, Create][] = [
  ['a language model', languageModel],
  ['a classifier', classifier],
];

/** Trains in a precision; whoever begins stops after some steps. */
async function train(
  create: Create,
  folder: string,
  precision: Precision,
  { stopAt, ...options }: Partial<TrainingOptions> & { stopAt?: number } = {},
) {
  requestPrecision(precision);
  const { task, parameters } = create();
  const stop = new AbortController();
  const outcome = await runTraining(task, {
    run: new RunFolder(folder),
    config: { command: 'test' },
    resume: false,
    recordEvery: 3,
    checkpointEvery: Number.POSITIVE_INFINITY,
    signal: stop.signal,
    onStep: ({ step }) => step === stopAt && stop.abort(),
    ...options,
  });
  const scale = [...(task.optimizer.lossScale?.tensors() ?? [])].flatMap(([, tensor]) => numbers(tensor));
  return { outcome, parameters: toHost(parameters), scale };
}

afterEach(() => requestPrecision('fp32'));

describe.each(TASKS)('%s', (_, create) => {
  test('is the same run in fp16 when it is stopped and resumed, with its scale', async () => {
    const unbroken = await train(create, await temporaryFolder(), 'fp16');
    const total = unbroken.outcome.steps;
    expect(unbroken.scale).toHaveLength(2);
    for (const stopAt of [1, total - 1]) {
      const folder = await temporaryFolder();
      const first = await train(create, folder, 'fp16', { stopAt });
      expect(first.outcome).toMatchObject({ interrupted: true, steps: stopAt });
      expect(first.scale).not.toEqual(unbroken.scale);
      expect(await train(create, folder, 'fp16', { resume: true })).toEqual(unbroken);
    }
  });

  test('goes on with the scale of the checkpoint, and holds no more tensors than a run that was not resumed', async () => {
    const folder = await temporaryFolder();
    await train(create, folder, 'fp16', { stopAt: 1 });
    const path = join(folder, 'checkpoints');
    const checkpoint = await latestCheckpoint(path);
    if (checkpoint === undefined) throw new Error('there is no checkpoint');
    const tensors = new Map([...checkpoint.tensors, ['lossScale.scale', { shape: [], data: Float32Array.of(4) }] as const]);
    await saveCheckpoint(path, 1, { ...checkpoint, tensors });
    const resumed = await train(create, folder, 'fp16', { resume: true });
    expect(resumed.scale).toEqual([4, resumed.outcome.steps]);

    const left = async (options: { resume?: boolean; stopAt?: number }, out: string) => {
      const before = tf.memory().numTensors;
      const made: ReturnType<Create>[] = [];
      const remembering: Create = () => {
        const one = create();
        made.push(one);
        return one;
      };
      await train(remembering, out, 'fp16', options);
      for (const { task, parameters } of made) {
        (task as unknown as { dispose(): void }).dispose();
        tf.dispose([...parameters.values()]);
      }
      return tf.memory().numTensors - before;
    };
    const other = await temporaryFolder();
    const unbroken = await left({ stopAt: 1 }, other);
    expect(await left({ resume: true }, other)).toBe(unbroken);
  });

  test.each([
    ['fp32', 'fp16'],
    ['fp16', 'fp32'],
    ['fp32', 'bf16'],
  ] as const)('that began in %s is not resumed in %s', async (before, now) => {
    const folder = await temporaryFolder();
    await train(create, folder, before, { stopAt: 1 });
    await expect(train(create, folder, now, { resume: true })).rejects.toThrow(
      `Cannot resume: precision was ${before} when the run began and is ${now} now. Give the same value, or another --out to begin anew.`,
    );
  });

  test('of which a checkpoint does not say its precision began in fp32', async () => {
    const unbroken = await train(create, await temporaryFolder(), 'fp32');
    const folder = await temporaryFolder();
    await train(create, folder, 'fp32', { stopAt: 1 });
    const path = join(folder, 'checkpoints');
    const checkpoint = await latestCheckpoint<{ settings: Record<string, unknown> }>(path);
    if (checkpoint === undefined) throw new Error('there is no checkpoint');
    const { precision, ...settings } = checkpoint.progress.settings;
    expect(precision).toBe('fp32');
    await saveCheckpoint(path, 1, { tensors: checkpoint.tensors, progress: { ...checkpoint.progress, settings } });
    await expect(train(create, folder, 'fp16', { resume: true })).rejects.toThrow('Cannot resume: precision was fp32 when the run began');
    expect(await train(create, folder, 'fp32', { resume: true })).toEqual(unbroken);
  });
});

test('config.json names device and precision', async () => {
  for (const precision of ['fp32', 'bf16'] as const) {
    const folder = await temporaryFolder();
    await train(languageModel, folder, precision, { stopAt: 1 });
    expect(await readdir(folder)).toContain('config.json');
    expect(JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'))).toEqual({
      command: 'test',
      device: currentDevice().kind,
      precision,
    });
  }
});
