import { mkdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Bundle, Precision } from '../../export/bundle.ts';
import { UserError } from '../../text/errors.ts';
import { writeFileAtomically } from '../checkpoint/atomicFile.ts';
import { isModel, isPair } from '../checkpoint/modelFolder.ts';
import { CLASSIFIER_TRAINING, DEFAULT_SEED } from '../recipe/defaults.ts';
import { readEvaluation, type ClassifierEvaluation } from '../report/evaluation.ts';
import { exportClassifier } from './exportClassifier.ts';
import { fineTune } from './fineTune.ts';
import { decisions, given, type Directions, type RunSettings } from './run.ts';
import { refuseRangeOfLabels, train, type TrainOptions } from './train.ts';

/** The parts of a fit, in their order. */
export const FIT_STEPS = ['fineTune', 'train', 'export'] as const;
export type FitStep = (typeof FIT_STEPS)[number];

/** How documents become a classifier. What is left out has the value of the paper's recipe. */
export interface FitOptions
  extends
    Pick<RunSettings, 'signal' | 'resume' | 'onStep'>,
    Pick<TrainOptions, 'text' | 'label' | 'labelSeparator' | 'task' | 'range' | 'labelWeights' | 'seed'> {
  /** The folder that gets the three folders `language-model`, `classifier` and `bundle`. */
  readonly out: string;
  /** The pretrained language model, or a pair of them; default: the small English one that comes along. */
  readonly from?: string | undefined;
  /** All texts of the kind, labelled or not, for step 2; default: those of the data. The more, the better. */
  readonly texts?: string | undefined;
  /** Labelled documents to measure the classifier on; default: a tenth of the data, which is then not trained on. */
  readonly test?: string | undefined;
  /** Which of a pair; default: all that `from` has. */
  readonly direction?: Directions | undefined;
  /** Few epochs: a first result, in about a tenth of the time. */
  readonly quick?: boolean | undefined;
  /** Fine-tune the language model on the text first (default: true). Without it step 3 starts from `from` as it is. */
  readonly fineTuning?: boolean | undefined;
  /** Documents, or streams of text, in a step; default: 64. */
  readonly batch?: number | undefined;
  /** How the bundle's weights are stored and computed with; default: `fp32`. */
  readonly bundlePrecision?: Precision | undefined;
  /** Called where a step begins, or is skipped because it was finished before. */
  readonly onBegin?: ((step: FitStep, isFinished: boolean) => void) | undefined;
  /** What a person would like to read meanwhile. */
  readonly onNote?: ((text: string) => void) | undefined;
}

/** What came of it. */
export interface FitResult {
  readonly out: string;
  /** True where `signal` stopped it; nothing of the following steps is there yet. */
  readonly interrupted: boolean;
  readonly languageModel: string;
  readonly classifier: string;
  readonly bundle: string;
  /** On the held-out documents; undefined where the fit was interrupted, or there are too few documents to hold any out. */
  readonly evaluation?: ClassifierEvaluation | undefined;
  /** The page that shows it. */
  readonly report?: string | undefined;
  /** What serving needs to know; undefined where the fit was interrupted. */
  readonly description?: Bundle | undefined;
}

/** The small English one that comes along. */
const SHIPPED_LANGUAGE_MODEL = 'wiki-small';

/** Epochs of a quick fit. A classifier needs five to train every layer group once. */
const QUICK = { fineTuneEpochs: 1, trainEpochs: 5 } as const;

/** The folders that a fit makes. */
interface Folders {
  readonly languageModel: string;
  readonly classifier: string;
  readonly bundle: string;
}

/**
 * Documents in, a bundle to serve out: fine-tunes the language model on all texts (step 2), trains a classifier on the labelled ones
 * (step 3), measures it on documents that were held out, and exports it. A tenth of the data that is held out lends its text to step 2
 * (as in the authors' scripts), documents of `test` lend nothing; their labels are used to measure alone.
 *
 * A fit that was stopped goes on with `resume`: finished steps are not done again.
 *
 * @param data labelled documents: a table, JSON Lines, Parquet, or folders by label
 * @throws UserError for data or a model that cannot be read or learnt from, or an `out` that holds an earlier fit
 * @example
 * const { evaluation, bundle } = await fit('reviews.csv', { from: 'models/wiki-small', out: 'runs/fit', quick: true });
 * if (evaluation?.task === 'singleLabel') console.log(evaluation.metrics.accuracy);
 * bundle; // 'runs/fit/bundle'
 */
export async function fit(data: string, options: FitOptions): Promise<FitResult> {
  const { out, text, test, onBegin } = options;
  const { from = SHIPPED_LANGUAGE_MODEL } = options;
  const folders: Folders = { languageModel: join(out, 'language-model'), classifier: join(out, 'classifier'), bundle: join(out, 'bundle') };
  await refuseBadLabels(data, options);
  await beginFit(options, folders, { command: 'fit', data, ...decisions({ ...given(options), from }) });
  const isStopped = !(await fineTuneFirst(data, from, folders, options)) || !(await trainNext(data, from, folders, options));
  if (isStopped) return { ...folders, out, interrupted: true };

  onBegin?.('export', false);
  const documents = test ?? data;
  const description = await exportClassifier(folders.classifier, {
    out: folders.bundle,
    documents,
    text,
    name: bundleName(out),
    precision: options.bundlePrecision,
  });
  const evaluation = (await readEvaluation(folders.classifier)) as ClassifierEvaluation | undefined;
  if (evaluation === undefined) return { ...folders, out, interrupted: false, description };
  const { writeEvaluationReport } = await import('../report/evaluationReport.ts');
  const report = join(out, 'evaluation.html');
  await writeEvaluationReport(report, evaluation, { model: folders.classifier, data: test ?? `a tenth of ${data}` });
  return { ...folders, out, interrupted: false, evaluation, report, description };
}

/** A mistake in the labels shall not come out after hours of step 2. */
async function refuseBadLabels(data: string, options: FitOptions): Promise<void> {
  refuseRangeOfLabels(options);
  const { readSets } = await import('../recipe/heldOut.ts');
  const { text, label, labelSeparator, task, test: validation, seed = DEFAULT_SEED } = options;
  await readSets({ data, validation, validationFraction: CLASSIFIER_TRAINING.validFraction, text, label, labelSeparator, task, seed });
}

/** Step 2, where it is wanted and not done yet. False where it was interrupted. */
async function fineTuneFirst(data: string, from: string, folders: Folders, options: FitOptions): Promise<boolean> {
  const { texts = data, text, seed, batch, direction, quick, fineTuning = true, resume, signal, onStep, onNote, onBegin } = options;
  if (!fineTuning) return true;
  const isFinished = await holdsModel(folders.languageModel);
  onBegin?.('fineTune', isFinished);
  if (isFinished) return true;
  const epochs = quick === true ? { epochs: QUICK.fineTuneEpochs } : {};
  const out = folders.languageModel;
  const { interrupted } = await fineTune(texts, { from, direction, out, text, seed, batch, ...epochs, resume, signal, onStep, onNote });
  return !interrupted;
}

/** Step 3, where it is not done yet. False where it was interrupted. */
async function trainNext(data: string, from: string, folders: Folders, options: FitOptions): Promise<boolean> {
  const { fineTuning = true, direction, quick, text, label, labelSeparator, task, range, labelWeights, test: valid, seed, batch } = options;
  const { resume, signal, onStep, onNote, onBegin } = options;
  // Its folder holds an evaluation once all is done. Without held-out documents there is none, and a finished run is gone through again.
  const isFinished = (await holdsModel(folders.classifier)) && (await readEvaluation(folders.classifier)) !== undefined;
  onBegin?.('train', isFinished);
  if (isFinished) return true;
  const start = fineTuning ? { from: folders.languageModel } : { from, direction };
  const epochs = quick === true ? { epochs: QUICK.trainEpochs } : {};
  const answers = { text, label, labelSeparator, task, range, labelWeights, valid };
  const out = folders.classifier;
  const { interrupted } = await train(data, { ...start, out, ...answers, ...epochs, seed, batch, resume, signal, onStep, onNote });
  return !interrupted;
}

/**
 * Writes down what a fit is to do.
 *
 * @throws UserError where the folder holds another fit, or something else
 */
async function beginFit({ out, resume = false }: FitOptions, folders: Folders, config: object): Promise<void> {
  const path = join(out, 'config.json');
  const text = `${JSON.stringify(config, null, 2)}\n`;
  const before = await readConfig(path);
  const hasBegun = (await exists(folders.languageModel)) || (await exists(folders.classifier));
  if (before !== undefined && before['command'] !== 'fit')
    throw new UserError(`${out} holds something else than a fit. Choose another --out.`);
  if (hasBegun && !resume) throw new UserError(`${out} holds an earlier fit. Add --resume to go on with it, or choose another --out.`);
  if (hasBegun && before !== undefined) refuseChanges(out, before, JSON.parse(text) as Record<string, unknown>);
  await mkdir(out, { recursive: true });
  await writeFileAtomically(path, [new TextEncoder().encode(text)]);
}

async function readConfig(path: string): Promise<Record<string, unknown> | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw new UserError(`${path} is damaged. Choose another --out.`);
  }
}

/**
 * What may change: a smaller batch is the cure for too little memory, and a step that has begun looks after itself; a bundle that was
 * refused in 8 bits can be had in more.
 */
const MAY_CHANGE = new Set(['batch', 'bundlePrecision']);

/** A fit that goes on must be told the same, because its finished steps are not done again. */
function refuseChanges(out: string, before: Record<string, unknown>, now: Record<string, unknown>): void {
  for (const name of Object.keys({ ...before, ...now })) {
    if (MAY_CHANGE.has(name)) continue;
    const [was, is] = [before[name], now[name]].map((value) => (value === undefined ? 'not given' : JSON.stringify(value)));
    if (was === is) continue;
    throw new UserError(
      `Cannot resume ${out}: ${name} was ${was} when the fit began and is ${is} now. Give the same, or another --out to begin anew.`,
    );
  }
}

/** A bundle's name stands in addresses, so it has letters, digits and a few signs. */
function bundleName(out: string): string {
  const name = basename(resolve(out))
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 128);
  return name === '' ? 'classifier' : name;
}

async function holdsModel(folder: string): Promise<boolean> {
  return (await isModel(folder)) || isPair(folder);
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
