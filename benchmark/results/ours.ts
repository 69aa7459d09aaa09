/**
 * Measures this program on a set that prepare.ts made ready: fine-tunes the language model on all of its text but the test part's, trains
 * classifiers on all labels and on few, and judges them on the test part. Each finished run is a line in ours.jsonl and is not repeated; a run that was
 * stopped goes on where it was.
 *
 * From a shell: npx node benchmark/results/measure.ts runs/results/trec --from wiki-small --labels all,500,100 --seeds 1,2,3
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fineTune } from '../../trainer/api/fineTune.ts';
import { languageModelsOf } from '../../trainer/api/languageModels.ts';
import { train } from '../../trainer/api/train.ts';
import type { Directions, RunResult, RunSettings } from '../../trainer/api/run.ts';
import { isPair, PAIR, readMembers } from '../../trainer/checkpoint/modelFolder.ts';
import { isFinished, removeCheckpoints } from '../../trainer/experiments/experiment.ts';
import { trainFromScratch } from '../../trainer/experiments/jobs.ts';
import type { Parts } from '../../trainer/experiments/parts.ts';
import { evaluateModel } from '../../trainer/recipe/evaluate.ts';
import { UserError } from '../../text/errors.ts';
import { thisMachine } from '../machine.ts';
import { keepRecord, readRecords, type ResultRecord } from './records.ts';
import type { Settings } from './settings.ts';

/** Labels to train on: a number of those that prepare.ts drew, or all that are not judged on. */
export type Labels = number | 'all';

export interface MeasureOptions extends Pick<RunSettings, 'signal' | 'onStep' | 'onNote'> {
  /** Language model, or a pair of them, by path or name. */
  readonly from: string;
  /** Default: all that `from` has. */
  readonly direction?: Directions | undefined;
  readonly labels: readonly Labels[];
  /** Of few labels also the number of the draw. */
  readonly seeds: readonly number[];
  readonly settings: Settings;
  /** Train from random weights instead, in the sizes of `from`. */
  readonly scratch?: boolean | undefined;
  /** Judge on the validation part instead of the test part: to choose settings. Then `all` leaves the validation part out. */
  readonly validate?: boolean | undefined;
  /** To be written down. */
  readonly command: string;
}

/** What a set's folder holds. */
type Set = Parts;

/**
 * Runs what is not measured yet.
 *
 * @param folder what prepare.ts wrote
 * @returns false where it was interrupted
 * @throws UserError where the folder is no such one, or a draw is missing
 */
export async function measureSet(folder: string, options: MeasureOptions): Promise<boolean> {
  const set = await readSet(folder);
  for (const labels of options.labels) {
    for (const seed of options.seeds) {
      const run = new Run(folder, set, labels, seed, options);
      if (await run.isMeasured()) continue;
      options.onNote?.(run.title);
      const languageModel = options.scratch === true ? options.from : await makeLanguageModel(set, options);
      if (languageModel === undefined || !(await run.measure(languageModel))) return false;
    }
  }
  return true;
}

async function readSet(folder: string): Promise<Set> {
  try {
    return { ...(JSON.parse(await readFile(join(folder, 'parts.json'), 'utf8')) as Omit<Set, 'folder'>), folder };
  } catch {
    throw new UserError(`${folder} holds no set. Make it ready with benchmark/results/prepare.ts.`);
  }
}

/** Where settings differ, so do models. */
function keyOf(decisions: object): string {
  return createHash('sha256').update(JSON.stringify(decisions)).digest('hex').slice(0, 8);
}

/** @returns undefined where it was interrupted */
async function makeLanguageModel(set: Set, options: MeasureOptions): Promise<string | undefined> {
  const { from, direction, settings, signal, onStep, onNote } = options;
  if (settings.languageModel === null) return from;
  const out = join(set.folder, 'models', `language-model-${keyOf({ from, direction, ...settings.languageModel })}`);
  if (await isFinished(out)) return out;
  const data = join(set.folder, set.text.name);
  const { interrupted } = await fineTune(data, {
    ...settings.languageModel,
    from,
    direction,
    out,
    resume: true,
    text: set.columns,
    seed: 1,
    signal,
    onStep,
    onNote,
  });
  if (interrupted) return undefined;
  await removeCheckpoints(out);
  return out;
}

/** One classifier to train and judge, or a pair of them. */
class Run {
  readonly title: string;
  readonly #folder: string;
  readonly #set: Set;
  readonly #seed: number;
  readonly #options: MeasureOptions;
  readonly #file: string;
  readonly #classifier: Settings['scratch'];

  constructor(folder: string, set: Set, labels: Labels, seed: number, options: MeasureOptions) {
    this.#folder = folder;
    this.#set = set;
    this.#seed = seed;
    this.#options = options;
    const all = options.validate === true ? set.train.name : 'labelled.jsonl';
    this.#file = labels === 'all' ? all : `labels-${labels}-${seed}.jsonl`;
    this.#classifier = (options.scratch === true ? options.settings.scratch : options.settings.classifier[labels]) ?? {};
    this.title = `${basename(folder)}, ${options.scratch === true ? 'from scratch, ' : ''}${labels} labels, seed ${seed}`;
  }

  async isMeasured(): Promise<boolean> {
    const records = await readRecords(this.#records);
    return records.some(
      ({ train: file, seed, from, direction, settings }) =>
        file === this.#file &&
        seed === this.#seed &&
        from === this.#options.from &&
        direction === this.#options.direction &&
        JSON.stringify(settings) === JSON.stringify(this.#settings),
    );
  }

  /** @returns false where it was interrupted */
  async measure(languageModel: string): Promise<boolean> {
    const out = join(
      this.#folder,
      'models',
      `${this.#file.replace('.jsonl', '')}-${keyOf([this.#options.from, this.#options.direction, this.#seed, this.#settings])}`,
    );
    const goesOn = existsSync(out);
    const started = performance.now();
    const { interrupted } = await this.#train(languageModel, out);
    if (interrupted) return false;
    const seconds = goesOn ? undefined : Math.round((performance.now() - started) / 100) / 10;
    const directions = (await isPair(out)) ? [...PAIR, 'both' as const] : [(await readMembers(out))[0]?.description.direction ?? 'forward'];
    for (const direction of directions) {
      const model = directions.length > 1 && direction !== 'both' ? join(out, direction) : out;
      await keepRecord(this.#records, await this.#judge(model, direction, seconds));
    }
    await rm(out, { recursive: true });
    return true;
  }

  async #train(languageModel: string, out: string): Promise<RunResult> {
    const { from, direction, scratch, signal, onStep, onNote } = this.#options;
    const data = join(this.#folder, this.#file);
    const controls = { out, resume: true, signal, onStep, onNote };
    const common = { ...controls, ...this.#classifier, text: this.#set.columns, validFraction: 0, seed: this.#seed };
    if (scratch !== true) return train(data, { ...common, from: languageModel, direction });
    return trainFromScratch(data, await languageModelsOf({ from, direction }), common);
  }

  async #judge(model: string, direction: string, seconds: number | undefined): Promise<ResultRecord> {
    const { validate, scratch, command, onNote } = this.#options;
    const part = validate === true ? this.#set.valid : this.#set.test;
    const evaluation = await evaluateModel(model, join(this.#folder, part.name), { text: this.#set.columns });
    if (evaluation.task !== 'singleLabel') throw new Error(`${model} is no classifier of labels`);
    const { accuracy, n } = evaluation.metrics;
    onNote?.(`${this.title}, ${direction}: accuracy ${(100 * accuracy).toFixed(1)} % of ${n} documents`);
    const { processors, processor } = thisMachine();
    return {
      set: basename(resolve(this.#folder)),
      method: `${scratch === true ? 'scratch' : 'ulmfit'}-${direction}`,
      train: this.#file,
      labels: (await readFile(join(this.#folder, this.#file), 'utf8')).trimEnd().split('\n').length,
      accuracy,
      documents: n,
      seconds,
      machine: `${processors} cores of ${processor}`,
      date: new Date().toISOString().slice(0, 10),
      seed: this.#seed,
      from: this.#options.from,
      direction: this.#options.direction,
      settings: this.#settings,
      command,
    };
  }

  get #records(): string {
    return join(this.#folder, this.#options.validate === true ? 'validation.jsonl' : 'ours.jsonl');
  }

  get #settings(): object {
    const { scratch, settings } = this.#options;
    return scratch === true ? { scratch: this.#classifier } : { languageModel: settings.languageModel, classifier: this.#classifier };
  }
}
