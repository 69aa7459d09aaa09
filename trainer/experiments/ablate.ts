import { pretrain } from '../api/pretrain.ts';
import type { Directions, RunResult } from '../api/run.ts';
import { languageModelsOf } from '../api/languageModels.ts';
import { train, type TrainOptions } from '../api/train.ts';
import type { StoredModel } from '../checkpoint/modelFolder.ts';
import { FINE_TUNING_OF } from '../recipe/defaults.ts';
import { UserError } from '../../text/errors.ts';
import { type AblationResults, writeAblation } from './ablationReport.ts';
import { ABLATION_RUNS, type AblationRun, type AblationRunName, LANGUAGE_MODELS, type LanguageModelName, runsOf } from './ablationRows.ts';
import { ExperimentFolder, type Job, runJobs } from './experiment.ts';
import { classifierJob, languageModelJob, streamsFor, trainFromScratch, tuneOn, type RunPlace } from './jobs.ts';
import { measureOf } from './measure.ts';
import { balanceNote, drawLabels, prepareParts, type Part, type Parts, pathOf } from './parts.ts';
import { type ExperimentOptions, withDefaults } from './settings.ts';

/** How an ablation is done. What is left out has the value of `EXPERIMENT` in defaults.ts, or of the recipe. */
export interface AblationOptions extends ExperimentOptions {
  /** Names of rows, or of tables for all of their rows; default: tables 4 to 7, and both directions where `from` is a pair. */
  readonly rows?: readonly string[] | undefined;
  /** Train on this many labelled documents only, balanced, drawn by the seed. */
  readonly labels?: number | undefined;
  /** A language model that was pretrained without dropout, for the row of the vanilla one; default: `from`. */
  readonly vanillaFrom?: string | undefined;
}

export interface AblationResult {
  readonly out: string;
  readonly interrupted: boolean;
  /** What ablation.json holds; nothing where it was interrupted. */
  readonly ablation: AblationResults | undefined;
}

/**
 * Rows of the tables 4 to 7 of Howard & Ruder (2018) for one's own data: what each part of the method brings. Writes ablation.json and
 * ablation.md, and a folder for each run. Rows with the same language model share it.
 *
 * What differs from the paper: all is judged on a test part that plays no part in training, where the paper gives the error on its validation
 * part; the vanilla language model was pretrained with dropout, unless `vanillaFrom` names another.
 *
 * @param data labelled documents
 * @throws UserError for data that cannot be read, an unknown row, a model that is no language model, or an `out` in use
 * @example
 * const { ablation } = await ablate('reviews.csv', { from: 'models/wiki-small', out: 'runs/ablation', rows: ['table6'] });
 */
export async function ablate(data: string, options: AblationOptions): Promise<AblationResult> {
  const models = await languageModelsOf({ from: options.from });
  const isPair = models.length > 1;
  const rows = runsOf(options.rows ?? (isPair ? ['table4', 'table5', 'table6', 'table7', 'bidirectional'] : undefined));
  if (rows.includes('bidirectional') && !isPair) {
    throw new UserError(
      `The row "bidirectional" needs a pair of language models, but ${options.from} holds one. Leave it out, or name a pair.`,
    );
  }
  const all = { ...withDefaults(options), rows };
  if (all.vanillaFrom !== undefined) await languageModelsOf({ from: all.vanillaFrom, direction: isPair ? 'forward' : undefined });
  const folder = await ExperimentFolder.open(all.out, { command: 'ablate', data, ...all }, all.resume ?? false);
  const { parts, draws } = await folder.prepare(async () => {
    const made = await prepareParts(data, all, folder.data);
    return { parts: made, draws: await trainingParts(made, all, data) };
  });
  for (const note of parts.notes) all.onNote?.(note);
  const plan = new AblationPlan(all, folder, parts, models);
  if (!(await runJobs(plan.jobs(draws), all))) return { out: all.out, interrupted: true, ablation: undefined };
  const measure = measureOf(all.task);
  const results = rows.map((run) => ({
    run,
    values: all.seeds.map((seed) => folder.result(runName(run, seed))?.figures[measure.name] ?? Number.NaN),
  }));
  const labels = draws[0]?.part.documents ?? 0;
  const described = { data, from: all.from, measure, labels, test: parts.test.documents, seeds: all.seeds };
  return { out: all.out, interrupted: false, ablation: await writeAblation(folder, described, results) };
}

type Settled = Omit<ReturnType<typeof withDefaults<AblationOptions>>, 'rows'> & { readonly rows: readonly AblationRunName[] };

interface Draw {
  readonly seed: number;
  readonly part: Part;
}

async function trainingParts(parts: Parts, { labels, seeds, task, onNote }: Settled, data: string): Promise<Draw[]> {
  if (labels === undefined) return seeds.map((seed) => ({ seed, part: parts.train }));
  if (labels > parts.train.documents) {
    throw new UserError(`--labels ${labels}: ${data} has only ${parts.train.documents} documents to train on, besides those held out.`);
  }
  const note = await balanceNote(parts, task, labels);
  if (note !== undefined) onNote?.(note);
  const draws: Draw[] = [];
  for (const seed of seeds) draws.push({ seed, part: await drawLabels(parts, task, labels, seed) });
  return draws;
}

/** The runs of an ablation. */
class AblationPlan {
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

  /** Seed by seed, each language model before the first row that needs it. */
  jobs(draws: readonly Draw[]): Job[] {
    const made = new Set<string>();
    return draws.flatMap((draw) =>
      this.#options.rows.flatMap((row) => {
        const languageModel = this.#languageModelOf(ABLATION_RUNS[row], draw.seed);
        if (languageModel === undefined || made.has(languageModel.name)) return [this.#classifierJob(row, draw)];
        made.add(languageModel.name);
        return [this.#languageModelJob(languageModel, draw.seed), this.#classifierJob(row, draw)];
      }),
    );
  }

  /** The language model that a row has to make first, if it has to. */
  #languageModelOf({ languageModel, both = false }: AblationRun, seed: number): OwnLanguageModel | undefined {
    if (languageModel === undefined || languageModel === 'pretrained') return undefined;
    return { name: `language-model-${languageModel}${both ? '-both' : ''}-${seed}`, setting: languageModel, both };
  }

  #languageModelJob({ name, setting, both }: OwnLanguageModel, seed: number): Job {
    const { lmEpochs, rows } = this.#options;
    const sharing = rows.filter((row) => this.#languageModelOf(ABLATION_RUNS[row], seed)?.name === name);
    return languageModelJob(this.#folder, {
      name,
      title: `language model, ${setting.replaceAll('-', ' ')}${both ? ', both directions' : ''}, seed ${seed}`,
      text: this.#parts.text,
      epochs: lmEpochs * (both ? 2 : 1),
      make: (place) => this.#makeLanguageModel(setting, both, seed, place),
      isNeeded: () => sharing.some((row) => this.#folder.result(runName(row, seed)) === undefined),
    });
  }

  async #makeLanguageModel(setting: LanguageModelName, both: boolean, seed: number, place: RunPlace): Promise<RunResult> {
    const { from, vanillaFrom = from, recipe, lmEpochs: epochs, languageModel } = this.#options;
    const text = this.#parts.text;
    if (setting === 'without-pretraining') return this.#pretrain(seed, place);
    const tuning = { ...languageModel, ...LANGUAGE_MODELS[setting], recipe, epochs, seed, direction: this.#direction(both) };
    return tuneOn(this.#parts, text, { ...tuning, from: setting === 'vanilla' ? vanillaFrom : from }, place);
  }

  /** A language model that has seen the target text alone, of the same sizes, and as strongly regularized as one that is fine-tuned. */
  async #pretrain(seed: number, place: RunPlace): Promise<RunResult> {
    const { recipe, lmEpochs: epochs, languageModel } = this.#options;
    const usual = FINE_TUNING_OF[recipe];
    const { batch = usual.batch, bptt = usual.bptt, dropMult = usual.dropMult, minCount = usual.minCount } = languageModel ?? {};
    const [{ description }] = this.#models as [StoredModel];
    const { vocabulary: vocab, ...sizes } = description.sizes;
    const { columns, text } = this.#parts;
    const data = pathOf(this.#parts, text);
    return pretrain(data, {
      ...place,
      ...sizes,
      vocab,
      minCount,
      bptt,
      epochs,
      dropMult,
      seed,
      text: columns,
      direction: description.direction,
      batch: await streamsFor(data, columns, { batch, bptt }),
    });
  }

  #classifierJob(row: AblationRunName, { seed, part }: Draw): Job {
    const { epochs, keepModels, onResult } = this.#options;
    const { both = false }: AblationRun = ABLATION_RUNS[row];
    const job = {
      name: runName(row, seed),
      title: `${row.replaceAll('-', ' ')}, seed ${seed}`,
      seed,
      training: part,
      epochs: epochs * (both ? 2 : 1),
      keepModel: keepModels,
      train: (place: RunPlace) => this.#train(ABLATION_RUNS[row], part, seed, place),
    };
    return classifierJob(this.#folder, this.#parts, job, onResult);
  }

  #train(run: AblationRun, part: Part, seed: number, place: RunPlace): Promise<RunResult> {
    const { from, epochs, task, range, recipe, classifier, scratch, earlyStopping } = this.#options;
    const { columns: text, valid } = this.#parts;
    const data = pathOf(this.#parts, part);
    const common = {
      ...place,
      epochs,
      task,
      range,
      recipe,
      seed,
      text,
      valid: pathOf(this.#parts, valid),
      ...(run.stopsEarly && { earlyStopping }),
    } satisfies TrainOptions;
    if (run.languageModel === undefined) {
      return trainFromScratch(data, this.#models.slice(0, 1), { ...scratch, ...run.classifier, ...common });
    }
    const made = this.#languageModelOf(run, seed);
    const model = made === undefined ? { from, direction: this.#direction(false) } : { from: this.#folder.model(made.name) };
    return train(data, { ...classifier, ...run.classifier, ...common, ...model });
  }

  /** Of a pair, rows of one direction take the forward model: "with unidirectional LMs" (section 5). */
  #direction(both: boolean): Directions | undefined {
    if (this.#models.length === 1) return undefined;
    return both ? 'both' : 'forward';
  }
}

interface OwnLanguageModel {
  /** Of its folder. */
  readonly name: string;
  readonly setting: LanguageModelName;
  readonly both: boolean;
}

function runName(run: AblationRunName, seed: number): string {
  return `${run}-${seed}`;
}
