import { readdirSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { UserError } from '../../text/errors.ts';
import { tf, type Tensor } from '../engine/operations.ts';
import { toHost } from '../engine/transfer.ts';
import { initializeHead, initializeLanguageModel } from '../model/initialize.ts';
import { oneHot } from '../model/objective.ts';
import { encoderShapes } from '../model/parameters.ts';
import type { Sizes } from '../model/presets.ts';
import { gradualUnfreezing } from '../optim/unfreezing.ts';
import { randomDocument, repetitiveCorpus, TINY } from '../testSupport.ts';
import { ClassifierTask, type ClassifierSettings } from './classifierTask.ts';
import { LanguageModelTask, type LanguageModelSettings } from './languageModelTask.ts';
import { RunFolder } from './runFolder.ts';
import { runTraining, type TrainingOptions, type TrainingOutcome } from './trainingLoop.ts';

const NEVER = Number.POSITIVE_INFINITY;
const SIZES: Sizes = { ...TINY, layers: 2 };

const LANGUAGE_MODEL: LanguageModelSettings = {
  batch: 4,
  bptt: 8,
  epochs: [
    [0.01, 0.01, 0.01],
    [0.01, 0.01, 0.01],
  ],
  maxSteps: NEVER,
  schedule: 'slanted-triangular',
  dropMult: 0.5,
  weightDecay: 0.01,
  clip: 0.25,
  seed: 1,
  backwards: false,
};

const CLASSIFIER: ClassifierSettings = {
  batch: 4,
  bptt: 8,
  bpttWindow: 8,
  epochs: gradualUnfreezing({ rates: [0.002, 0.004, 0.008, 0.01], epochs: 2 }),
  schedule: 'slanted-triangular',
  dropMult: 0.5,
  weightDecay: 0.01,
  clip: 25,
  seed: 1,
};

function languageModel(settings: Partial<LanguageModelSettings> = {}, sizes = SIZES) {
  const parameters = initializeLanguageModel(sizes, 5);
  const texts = { training: repetitiveCorpus(4, 30), validation: repetitiveCorpus(1, 20) };
  return { parameters, task: new LanguageModelTask(sizes, parameters, texts, { ...LANGUAGE_MODEL, ...settings }) };
}

function classifier(settings: Partial<ClassifierSettings> = {}) {
  const all = initializeLanguageModel(SIZES, 5);
  const encoder = [...encoderShapes(SIZES).keys()].map((name) => [name, all.get(name) as Tensor] as const);
  const parameters = new Map([...encoder, ...initializeHead(SIZES, 2, 5)]);
  const set = (documents: number, name: string) => ({
    documents: Array.from({ length: documents }, (_, row) => randomDocument(1 + ((row * 7) % 20), `${name} ${row}`)),
    targets: oneHot(
      Array.from({ length: documents }, (_, row) => row % 2),
      2,
    ),
  });
  const sets = { training: set(11, 'training'), validation: set(3, 'validation') };
  return { parameters, task: new ClassifierTask(SIZES, parameters, sets, { ...CLASSIFIER, ...settings }) };
}

/** Two different tasks that the loop must treat alike. */
const TASKS = {
  languageModel,
  classifier,
  /** Rates so high that the loss stalls and averaging begins. */
  averaged: () => languageModel({ optimizer: 'nt-asgd', schedule: 'constant', epochs: new Array<number[]>(9).fill([8, 8, 8]) }),
};

interface Run {
  readonly outcome: TrainingOutcome;
  readonly metrics: string;
  readonly parameters: ReadonlyMap<string, unknown>;
}

/** Runs a task in a folder. */
async function run(
  { task, parameters }: { task: Parameters<typeof runTraining>[0]; parameters: Map<string, Tensor> },
  folder: string,
  options: Partial<TrainingOptions> = {},
): Promise<Run> {
  const outcome = await runTraining(task, {
    run: new RunFolder(folder),
    config: {},
    resume: false,
    recordEvery: 3,
    checkpointEvery: NEVER,
    ...options,
  });
  return { outcome, metrics: await readFile(join(folder, 'metrics.jsonl'), 'utf8'), parameters: toHost(parameters) };
}

const metricsLines = (metrics: string) =>
  metrics
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, number>);

class Crash extends Error {}

describe.each(Object.entries(TASKS))('%s', (_name, create) => {
  let unbroken: Run;
  let stepsPerEpoch: readonly number[];
  beforeAll(async () => {
    const { task, parameters } = create();
    stepsPerEpoch = task.stepsPerEpoch;
    const folder = await mkdtemp(join(tmpdir(), 'ulmfit-test-'));
    unbroken = await run({ task, parameters }, folder);
    await rm(folder, { recursive: true });
  });

  it('writes its course down: the mean loss of every few steps, what each epoch measured, and a last checkpoint', async () => {
    const folder = await temporaryFolder();
    const steps: number[] = [];
    const { task, parameters } = create();
    const { outcome, metrics } = await run({ task, parameters }, folder, { onStep: ({ step }) => void steps.push(step) });
    const total = task.stepsPerEpoch.reduce((sum, count) => sum + count, 0);
    expect(steps).toEqual(Array.from({ length: total }, (_, index) => index + 1));
    const lines = metricsLines(metrics);
    const recorded = lines.filter((line) => 'loss' in line);
    const ends = task.stepsPerEpoch.map((_, epoch) => task.stepsPerEpoch.slice(0, epoch + 1).reduce((sum, count) => sum + count, 0));
    expect(recorded.map(({ step }) => step)).toEqual(steps.filter((step) => step % 3 === 0 || ends.includes(step)));
    expect(lines.filter((line) => 'validationLoss' in line).map(({ epoch }) => epoch)).toEqual(
      task.stepsPerEpoch.map((_, epoch) => epoch + 1),
    );
    expect(outcome).toMatchObject({
      steps: total,
      interrupted: false,
      trainingLoss: recorded.at(-1)?.['loss'],
      tokens: recorded.at(-1)?.['tokens'],
    });
    expect(outcome.measured).toMatchObject({ validationLoss: lines.at(-1)?.['validationLoss'] });
    expect(await readdir(join(folder, 'checkpoints'))).toContain(`step-${String(total).padStart(9, '0')}`);
  });

  it('is the same run when it is stopped and resumed, wherever that happens', async () => {
    const total = unbroken.outcome.steps;
    for (const stopAt of new Set([1, 2, stepsPerEpoch[0] ?? 0, total - 1, total])) {
      const folder = await temporaryFolder();
      const stop = new AbortController();
      const onStep = ({ step }: { step: number }) => step === stopAt && stop.abort();
      const first = await run(create(), folder, { signal: stop.signal, onStep: (step) => void onStep(step) });
      expect(first.outcome).toMatchObject({ interrupted: true, steps: stopAt });
      const second = await run(create(), folder, { resume: true });
      expect(second, `stopped at step ${stopAt}`).toEqual(unbroken);
    }
  });

  it('is the same run when it is killed between two checkpoints, and what was recorded since is taken back', async () => {
    const [first = 0] = stepsPerEpoch;
    for (const crashAt of [2, first, first + 1]) {
      const folder = await temporaryFolder();
      const onStep = ({ step }: { step: number }) => {
        if (step === crashAt) throw new Crash();
      };
      await expect(run(create(), folder, { onStep })).rejects.toThrow(Crash);
      expect(await run(create(), folder, { resume: true }), `killed at step ${crashAt}`).toEqual(unbroken);
    }
  });

  it('is the same run when it is killed right after an epoch was measured', async () => {
    const folder = await temporaryFolder();
    // The note is given when the figures have just been recorded.
    const onNote = (): void => {
      throw new Crash();
    };
    await expect(run(create(), folder, { onNote })).rejects.toThrow(Crash);
    expect(metricsLines(await readFile(join(folder, 'metrics.jsonl'), 'utf8')).at(-1)).toHaveProperty('validationLoss');
    expect(await run(create(), folder, { resume: true })).toEqual(unbroken);
  });

  it('measures and ends again in the same way when it is resumed after its end', async () => {
    const folder = await temporaryFolder();
    await run(create(), folder);
    expect(await run(create(), folder, { resume: true })).toEqual(unbroken);
  });

  it('begins at the beginning where there is nothing to resume', async () => {
    expect(await run(create(), await temporaryFolder(), { resume: true })).toEqual(unbroken);
  });

  it('saves a checkpoint whenever the time has come', async () => {
    const folder = await temporaryFolder();
    const seen = new Map<number, string | undefined>();
    const onStep = ({ step }: { step: number }) => {
      if (step > 1)
        seen.set(
          step,
          readdirSync(join(folder, 'checkpoints')).findLast((name) => name.startsWith('step-')),
        );
    };
    await run(create(), folder, { checkpointEvery: -1, onStep });
    expect(seen.size).toBe(unbroken.outcome.steps - 1);
    for (const [step, newest] of seen) expect(newest).toBe(`step-${String(step - 1).padStart(9, '0')}`);
  });

  it('holds no more tensors after a resumption than before', async () => {
    const folder = await temporaryFolder();
    const held = async (resume: boolean) => {
      const before = tf.memory().numTensors;
      const { task, parameters } = create();
      await run({ task, parameters }, folder, { resume });
      task.dispose();
      tf.dispose([...parameters.values()]);
      return tf.memory().numTensors - before;
    };
    const first = await held(false);
    expect(await held(true)).toBe(first);
  });
});

describe('a run that is resumed with other settings', () => {
  async function begun(create: () => ReturnType<typeof languageModel | typeof classifier>): Promise<string> {
    const folder = await temporaryFolder();
    const stop = AbortSignal.abort();
    await run(create(), folder, { signal: stop });
    return folder;
  }

  it.each<[string, () => ReturnType<typeof languageModel | typeof classifier>, string]>([
    ['batch', () => languageModel({ batch: 2 }), 'Cannot resume: batch was 4 when the run began and is 2 now.'],
    ['bptt', () => languageModel({ bptt: 9 }), 'Cannot resume: bptt was 8 when the run began and is 9 now.'],
    ['dropMult', () => languageModel({ dropMult: 1 }), 'Cannot resume: drop mult was 0.5 when the run began and is 1 now.'],
    ['seed', () => languageModel({ seed: 2 }), 'Cannot resume: seed was 1 when the run began and is 2 now.'],
    [
      'schedule',
      () => languageModel({ schedule: 'constant' }),
      'Cannot resume: schedule was slanted-triangular when the run began and is constant now.',
    ],
    ['direction', () => languageModel({ backwards: true }), 'Cannot resume: backwards was false when the run began and is true now.'],
    [
      'width',
      () => languageModel({}, { ...SIZES, hidden: 8 }),
      'Cannot resume: lstm.0.inputWeights was [5, 28] when the run began and is [5, 32] now.',
    ],
    [
      'vocabulary',
      () => languageModel({}, { ...SIZES, vocabulary: 32 }),
      'Cannot resume: embedding.weight was [24, 5] when the run began and is [32, 5] now.',
    ],
    [
      'layers',
      () => languageModel({ epochs: [[1, 1, 1, 1]] }, TINY),
      'Cannot resume: lstm.1.inputWeights was [7, 20] when the run began and is [7, 28] now.',
    ],
    ['another task', () => classifier(), 'Cannot resume: '],
  ])('is refused: %s', async (_what, changed, message) => {
    const folder = await begun(() => languageModel());
    const resuming = run(changed(), folder, { resume: true });
    await expect(resuming).rejects.toThrow(UserError);
    await expect(resuming).rejects.toThrow(message);
  });

  it('is refused with one layer less, also where all layers have the same width', async () => {
    const square: Sizes = { vocabulary: 24, embedding: 6, hidden: 6, layers: 2 };
    const folder = await begun(() => languageModel({ epochs: [[1, 1, 1]] }, square));
    const resuming = run(languageModel({ epochs: [[1, 1]] }, { ...square, layers: 1 }), folder, { resume: true });
    await expect(resuming).rejects.toThrow('Cannot resume: lstm.1.bias was [24] when the run began and is not there now.');
  });

  it('is refused for a classifier whose stages of unfreezing have changed', async () => {
    const folder = await begun(() => classifier());
    const epochs = gradualUnfreezing({ rates: [0.002, 0.004, 0.008, 0.01], epochs: 3 });
    await expect(run(classifier({ epochs }), folder, { resume: true })).rejects.toThrow('Cannot resume: epochs was ');
  });

  it('goes on where more steps are allowed, in the middle of its epoch, as if they had been allowed at once', async () => {
    const epochs = [[0.01, 0.01, 0.01]];
    const upTo = (maxSteps: number) => languageModel({ epochs, maxSteps, schedule: 'constant' });
    const atOnce = await run(upTo(6), await temporaryFolder());
    const folder = await temporaryFolder();
    expect((await run(upTo(3), folder)).outcome.steps).toBe(3);
    expect(await run(upTo(6), folder, { resume: true })).toEqual(atOnce);
  });

  it('goes on where more epochs are wanted', async () => {
    const upTo = (count: number) => languageModel({ epochs: new Array(count).fill([0.01, 0.01, 0.01]), schedule: 'constant' });
    const atOnce = await run(upTo(2), await temporaryFolder(), { recordEvery: 1 });
    const folder = await temporaryFolder();
    await run(upTo(1), folder, { recordEvery: 1 });
    expect(await run(upTo(2), folder, { resume: true, recordEvery: 1 })).toEqual(atOnce);
  });
});

describe('a run that keeps its best epoch', () => {
  /** A classifier whose epochs are given the losses of a list, whatever they were. */
  function scripted(losses: readonly number[]) {
    const created = classifier({ epochs: new Array<number[]>(losses.length).fill([0.01, 0.01, 0.01, 0.01]) });
    const learnt: Map<string, unknown>[] = [];
    const endEpoch = created.task.endEpoch.bind(created.task);
    created.task.endEpoch = () => {
      endEpoch();
      const epoch = Math.round(created.task.optimizer.moments.get('head.1.bias')?.updates ?? 0) / (created.task.stepsPerEpoch[0] ?? 1);
      learnt[epoch - 1] = toHost(created.parameters);
      return { validationLoss: losses[epoch - 1] ?? Number.NaN };
    };
    return { ...created, learnt };
  }

  it("gives that epoch's weights and figures, not the last one's", async () => {
    const created = scripted([3, 1, 2, 4]);
    const { outcome } = await run(created, await temporaryFolder(), { keep: 'best' });
    expect(outcome.measured).toEqual({ validationLoss: 1, epoch: 2 });
    expect(outcome.tensors).toEqual(created.learnt[1]);
    expect(outcome.tensors).not.toEqual(created.learnt[3]);
    expect(outcome.steps).toBe(4 * (created.task.stepsPerEpoch[0] ?? 0));
  });

  it('gives the last epoch unless told', async () => {
    const created = scripted([3, 1, 2]);
    const { outcome } = await run(created, await temporaryFolder());
    expect(outcome.measured).toEqual({ validationLoss: 2 });
    expect(outcome.tensors).toEqual(created.learnt[2]);
  });

  it('stops early once so many epochs have not been better', async () => {
    const created = scripted([3, 1, 2, 1.5, 0.5]);
    const notes: string[] = [];
    const { outcome } = await run(created, await temporaryFolder(), { earlyStopping: 2, onNote: (note) => void notes.push(note) });
    expect(outcome.steps).toBe(4 * (created.task.stepsPerEpoch[0] ?? 0));
    expect(outcome.measured).toEqual({ validationLoss: 1, epoch: 2 });
    expect(notes.at(-1)).toBe('stopped early: epoch 2 had the least validation loss');
  });

  it('does so too where it is stopped and resumed, before and after the best epoch', async () => {
    const losses = [3, 1, 2, 1.5, 0.5];
    const whole = await run(scripted(losses), await temporaryFolder(), { earlyStopping: 2 });
    const perEpoch = scripted(losses).task.stepsPerEpoch[0] ?? 0;
    for (const stopAt of [1, 2 * perEpoch, 2 * perEpoch + 1, 4 * perEpoch]) {
      const folder = await temporaryFolder();
      const stop = new AbortController();
      const onStep = ({ step }: { step: number }): void => void (step === stopAt && stop.abort());
      await run(scripted(losses), folder, { earlyStopping: 2, signal: stop.signal, onStep });
      const resumed = await run(scripted(losses), folder, { earlyStopping: 2, resume: true });
      expect(resumed.outcome, `stopped at ${stopAt}`).toEqual(whole.outcome);
    }
  });
});

describe('a run that diverges', () => {
  it('ends with an error and leaves a checkpoint from before', async () => {
    const folder = await temporaryFolder();
    const good = await run(languageModel(), folder, { signal: AbortSignal.abort() });
    expect(good.outcome.steps).toBe(1);
    const { task, parameters } = languageModel();
    const step = task.step.bind(task);
    // A weight breaks before the fourth step.
    task.step = (window, position) => {
      if (position.step === 3) parameters.set('decoder.bias', tf.keep(tf.fill([SIZES.vocabulary], Number.NaN)));
      return step(window, position);
    };
    const diverging = run({ task, parameters }, folder, { resume: true, recordEvery: 10, checkpointEvery: -1 });
    await expect(diverging).rejects.toThrow(
      'Training has diverged: the loss is NaN at step 4. Train again with a lower --learning-rate, or resume from the last checkpoint.',
    );
    const names = (await readdir(join(folder, 'checkpoints'))).filter((name) => name.startsWith('step-'));
    expect(names.at(-1)).toBe('step-000000003');
    expect((await run(languageModel(), folder, { resume: true })).outcome.trainingLoss).toBeLessThan(10);
  });
});
