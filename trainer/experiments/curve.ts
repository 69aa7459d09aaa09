import { languageModelsOf } from '../api/languageModels.ts';
import { train, type TrainOptions } from '../api/train.ts';
import type { Directions } from '../api/run.ts';
import type { StoredModel } from '../checkpoint/modelFolder.ts';
import { UserError } from '../../text/errors.ts';
import { writeCurve, type Curve, type CurveRun } from './curveReport.ts';
import { ExperimentFolder, type Job, removeModel, runJobs } from './experiment.ts';
import { classifierJob, languageModelJob, trainFromScratch, tuneOn, type RunPlace } from './jobs.ts';
import { measureOf } from './measure.ts';
import { balanceNote, drawLabels, prepareParts, type Part, type Parts, pathOf } from './parts.ts';
import { type ExperimentOptions, unique, withDefaults } from './settings.ts';
import { type Way, WAY_NAMES, waysOf } from './ways.ts';

/** How a curve is measured. What is left out has the value of `EXPERIMENT` in defaults.ts, or of the recipe. */
export interface CurveOptions extends ExperimentOptions {
  /** Which of a pair; default: all that `from` has. */
  readonly direction?: Directions | undefined;
  /** Numbers of labelled documents to train on. */
  readonly labels: readonly number[];
  /** Further numbers, from scratch alone: to see how many labels match few with a language model. */
  readonly scratchLabels?: readonly number[] | undefined;
  /** Default: all three. */
  readonly ways?: readonly string[] | undefined;
}

export interface CurveResult {
  readonly out: string;
  readonly interrupted: boolean;
  /** What curve.json holds; nothing where it was interrupted. */
  readonly curve: Curve | undefined;
}

/**
 * Measures what labels are worth: figure 3 of Howard & Ruder (2018) for one's own data. Classifiers are trained on few labels, in three ways,
 * with several seeds, and judged on the same test part. Writes curve.svg, curve.png, curve.json and curve.md, and a folder for each run.
 *
 * A validation part, the same for all runs, tells when training stops. It is not counted among the labels: as in the paper, whose validation set
 * stays the same as well.
 *
 * @param data labelled documents
 * @throws UserError for data that cannot be read, or with fewer documents than `labels`; a model that is no language model; an `out` in use
 * @example
 * const { curve } = await measureCurve('reviews.csv', { from: 'models/wiki-small', out: 'runs/curve', labels: [50, 100, 200] });
 */
export async function measureCurve(data: string, options: CurveOptions): Promise<CurveResult> {
  const all = {
    ...withDefaults(options),
    labels: sorted(options.labels),
    scratchLabels: sorted(options.scratchLabels ?? []),
    ways: waysOf(options.ways),
  };
  if (all.labels.length === 0) throw new UserError('Give at least one number of labels.');
  const models = await languageModelsOf(all);
  const folder = await ExperimentFolder.open(all.out, { command: 'curve', data, ...all }, all.resume ?? false);
  const { parts, draws } = await folder.prepare(async () => {
    const made = await prepareParts(data, all, folder.data);
    return { parts: made, draws: await allDraws(made, all, data) };
  });
  for (const note of parts.notes) all.onNote?.(note);
  const plan = new CurvePlan(all, folder, parts, models);
  if (!(await runJobs(plan.jobs(draws), all))) return { out: all.out, interrupted: true, curve: undefined };
  const described = { data, from: all.from, measure: measureOf(all.task), test: parts.test.documents, valid: parts.valid.documents };
  return { out: all.out, interrupted: false, curve: await writeCurve(folder, { ...described, seeds: all.seeds }, plan.runs(draws)) };
}

type Settled = Omit<ReturnType<typeof withDefaults<CurveOptions>>, 'scratchLabels' | 'ways'> & {
  readonly scratchLabels: readonly number[];
  readonly ways: readonly Way[];
};

function sorted(labels: readonly number[]): number[] {
  return unique(labels).toSorted((a, b) => a - b);
}

/** Labelled documents of a seed, and the ways in which classifiers are trained on them. */
interface Draw {
  readonly seed: number;
  readonly labels: number;
  readonly part: Part;
  readonly ways: readonly Way[];
}

async function allDraws(parts: Parts, { labels, scratchLabels, ways, seeds, task, onNote }: Settled, data: string): Promise<Draw[]> {
  const counts = sorted([...labels, ...(ways.includes('scratch') ? scratchLabels : [])]);
  const most = counts.at(-1) ?? 0;
  if (most > parts.train.documents) {
    throw new UserError(
      `--labels ${most}: ${data} has only ${parts.train.documents} documents to draw labels from, besides ${parts.test.documents} to judge on and ` +
        `${parts.valid.documents} to tell when to stop. Give smaller numbers, hold out fewer (--test-fraction, --valid-fraction), or more data.`,
    );
  }
  const note = await balanceNote(parts, task, most);
  if (note !== undefined) onNote?.(note);
  const draws: Draw[] = [];
  for (const seed of seeds) {
    for (const count of counts) {
      const part = await drawLabels(parts, task, count, seed);
      draws.push({ seed, labels: count, part, ways: labels.includes(count) ? ways : ['scratch'] });
    }
  }
  return draws;
}

/** The runs of a curve. */
class CurvePlan {
  readonly #options: Settled;
  readonly #folder: ExperimentFolder;
  readonly #parts: Parts;
  readonly #models: readonly StoredModel[];

  constructor(options: Settled, folder: ExperimentFolder, parts: Parts, models: readonly StoredModel[]) {
    this.#options = options;
    this.#folder = folder;
    this.#parts = parts;
    this.#models = models;
  }

  /** In the order in which they are done: seed by seed, few labels first. */
  jobs(draws: readonly Draw[]): Job[] {
    const semiSupervised = new Set<number>();
    return draws.flatMap((draw) =>
      draw.ways.flatMap((way) => {
        if (way === 'scratch') return [this.#classifierJob(way, draw)];
        if (way === 'supervised') return [this.#languageModelJob(draw.seed, draw.part, [draw], way), this.#classifierJob(way, draw)];
        if (semiSupervised.has(draw.seed)) return [this.#classifierJob(way, draw)];
        semiSupervised.add(draw.seed);
        const ofSeed = draws.filter(({ seed, ways }) => seed === draw.seed && ways.includes(way));
        return [this.#languageModelJob(draw.seed, this.#parts.text, ofSeed, way), this.#classifierJob(way, draw)];
      }),
    );
  }

  /** What came out, all runs being done. */
  runs(draws: readonly Draw[]): CurveRun[] {
    const { name } = measureOf(this.#options.task);
    return draws.flatMap(({ seed, labels, ways }) =>
      ways.map((way) => {
        const record = this.#folder.result(runName(way, labels, seed));
        return { way, labels, seed, value: record?.figures[name] ?? Number.NaN };
      }),
    );
  }

  #languageModelJob(seed: number, text: Part, draws: readonly Draw[], way: Way): Job {
    const { from, direction, recipe, lmEpochs, languageModel } = this.#options;
    const what = way === 'supervised' ? `the text of ${text.documents} labelled documents` : 'all text';
    return languageModelJob(this.#folder, {
      name: languageModelName(way, text.documents, seed),
      title: `language model on ${what}, seed ${seed}`,
      text,
      epochs: lmEpochs,
      make: (place) => tuneOn(this.#parts, text, { ...languageModel, from, direction, recipe, epochs: lmEpochs, seed }, place),
      isNeeded: () => draws.some(({ labels }) => this.#folder.result(runName(way, labels, seed)) === undefined),
    });
  }

  #classifierJob(way: Way, { labels, seed, part }: Draw): Job {
    const { epochs, keepModels, onResult } = this.#options;
    const model = this.#folder.model(languageModelName(way, labels, seed));
    const job = {
      name: runName(way, labels, seed),
      title: `${WAY_NAMES[way]}, ${labels} labels, seed ${seed}`,
      seed,
      training: part,
      epochs,
      keepModel: keepModels,
      train: (place: RunPlace) => this.#train(way, part, seed, model, place),
      // One that all text was learned by serves other numbers of labels too.
      ...(way === 'supervised' && !keepModels && { afterwards: () => removeModel(model) }),
    };
    return classifierJob(this.#folder, this.#parts, job, onResult);
  }

  #train(way: Way, part: Part, seed: number, model: string, place: RunPlace): ReturnType<typeof train> {
    const { epochs, earlyStopping, task, range, recipe, classifier, scratch } = this.#options;
    const { columns: text, valid } = this.#parts;
    const data = pathOf(this.#parts, part);
    const common = {
      ...place,
      epochs,
      earlyStopping,
      task,
      range,
      recipe,
      seed,
      text,
      valid: pathOf(this.#parts, valid),
    } satisfies TrainOptions;
    if (way !== 'scratch') return train(data, { ...classifier, ...common, from: model });
    return trainFromScratch(data, this.#models, { ...scratch, ...common });
  }
}

function runName(way: Way, labels: number, seed: number): string {
  return `${way}-${labels}-${seed}`;
}

function languageModelName(way: Way, labels: number, seed: number): string {
  return way === 'semi-supervised' ? `language-model-${seed}` : `language-model-${labels}-${seed}`;
}
