import { tokenizeFields } from '../../text/tokenizer.ts';
import { fineTune } from '../api/fineTune.ts';
import { given, type Directions, type RunResult, type RunSettings } from '../api/run.ts';
import { asLargeAs } from '../api/sizes.ts';
import { train, type TrainOptions } from '../api/train.ts';
import type { StoredModel } from '../checkpoint/modelFolder.ts';
import { readCorpusFields } from '../data/corpus.ts';
import { FINE_TUNING_OF, type RecipeName } from '../recipe/defaults.ts';
import { evaluateModel } from '../recipe/evaluate.ts';
import { FROM_SCRATCH } from './defaults.ts';
import { type ExperimentControls, type ExperimentFolder, isFinished, type Job, removeCheckpoints, removeModel } from './experiment.ts';
import { figuresOf } from './measure.ts';
import { type Part, type Parts, pathOf } from './parts.ts';
import type { LanguageModelChoices } from './settings.ts';

/** Where, and under whose eyes, a run takes place. */
export type RunPlace = Pick<RunSettings, 'out' | 'resume' | 'signal' | 'onStep'>;

export interface LanguageModelJob {
  /** Of its folder in `models`. */
  readonly name: string;
  readonly title: string;
  readonly text: Part;
  readonly epochs: number;
  readonly make: (place: RunPlace) => Promise<RunResult>;
  /** Whether a run that starts from it is not finished yet. */
  readonly isNeeded: () => boolean;
}

/** A step of a language model computes about so many times as much for each character as one of a classifier: it predicts every word. */
const PREDICTING_WORDS = 2;
/** A training step computes about so many times as much as an answer: forward, and back. */
const TRAINING = 3;

/** The job of making a language model. */
export function languageModelJob(folder: ExperimentFolder, { name, title, text, epochs, make, isNeeded }: LanguageModelJob): Job {
  const out = folder.model(name);
  return {
    title,
    work: TRAINING * PREDICTING_WORDS * epochs * text.characters,
    isDone: async () => !isNeeded() || (await isFinished(out)),
    run: async (controls) => {
      const { interrupted } = await make({ out, resume: true, ...controls });
      if (!interrupted) await removeCheckpoints(out);
      return !interrupted;
    },
  };
}

export interface ClassifierJob {
  /** Of its folder in `runs`. */
  readonly name: string;
  readonly title: string;
  readonly seed: number;
  readonly training: Part;
  readonly epochs: number;
  readonly train: (place: RunPlace) => Promise<RunResult>;
  readonly keepModel: boolean;
  /** Called when the result is kept. */
  readonly afterwards?: () => Promise<void>;
}

/** The job of training a classifier and judging it on the test part. */
export function classifierJob(folder: ExperimentFolder, parts: Parts, job: ClassifierJob, onResult: ExperimentControls['onResult']): Job {
  const { name, title, seed, training, epochs, train, keepModel, afterwards } = job;
  const out = folder.run(name);
  return {
    title,
    work: epochs * (TRAINING * training.characters + parts.valid.characters) + parts.test.characters,
    isDone: () => folder.result(name) !== undefined,
    run: async (controls) => {
      const started = performance.now();
      const { members, interrupted } = await train({ out, resume: true, ...controls });
      if (interrupted) return false;
      const figures = await testFigures(out, parts);
      const steps = members.reduce((sum, member) => sum + member.steps, 0);
      const epoch = members[0]?.measured['epoch'];
      const seconds = Math.round((performance.now() - started) / 100) / 10;
      const record = { run: name, seed, labels: training.documents, figures, ...(epoch !== undefined && { epoch }), steps, seconds };
      await folder.keep(record);
      if (!keepModel) await removeModel(out);
      await afterwards?.();
      onResult?.(record);
      return true;
    },
  };
}

async function testFigures(out: string, parts: Parts): Promise<Record<string, number>> {
  const evaluation = await evaluateModel(out, pathOf(parts, parts.test), { text: parts.columns });
  if (evaluation.task === 'languageModel') throw new Error(`${out} holds a language model where a classifier was trained.`);
  return figuresOf(evaluation);
}

/** How a language model of an experiment is fine-tuned. */
export interface Tuning extends LanguageModelChoices {
  readonly from: string;
  readonly direction?: Directions | undefined;
  readonly recipe: RecipeName;
  readonly epochs: number;
  readonly seed: number;
}

/** Windows of a stream that is worth carrying a state through. */
const WINDOWS = 4;

/** Fine-tunes on one of the parts; where that has little text, with windows short enough for it. */
export async function tuneOn(parts: Parts, text: Part, tuning: Tuning, place: RunPlace): Promise<RunResult> {
  const data = pathOf(parts, text);
  const { bptt = FINE_TUNING_OF[tuning.recipe].bptt } = tuning;
  const tokens = await countTokens(data, parts.columns, WINDOWS * bptt);
  return fineTune(data, { ...tuning, ...place, text: parts.columns, bptt: Math.max(1, Math.min(bptt, Math.floor(tokens / WINDOWS))) });
}

/** Streams side by side for a text: fewer than wanted where it is small. */
export async function streamsFor(
  data: string,
  text: readonly string[] | undefined,
  { batch, bptt }: { readonly batch: number; readonly bptt: number },
): Promise<number> {
  const tokens = await countTokens(data, text, WINDOWS * bptt * batch);
  return Math.max(1, Math.min(batch, Math.floor(tokens / (WINDOWS * bptt))));
}

/** Tokens of a text, counted no further than to `enough`. */
async function countTokens(data: string, text: readonly string[] | undefined, enough: number): Promise<number> {
  let tokens = 0;
  for await (const fields of readCorpusFields(data, { text })) {
    tokens += tokenizeFields(fields).length;
    if (tokens >= enough) break;
  }
  return tokens;
}

/** A classifier from scratch with the sizes of the language models that others start from: all layers from the first epoch on, at one rate. */
export async function trainFromScratch(data: string, models: readonly StoredModel[], options: TrainOptions): Promise<RunResult> {
  const [{ description }] = models as [StoredModel];
  return train(data, {
    ...FROM_SCRATCH,
    unfreezing: 'full',
    discriminative: false,
    ...given(options),
    ...asLargeAs(description.sizes),
    fromScratch: true,
    direction: models.length > 1 ? 'both' : description.direction,
  });
}
