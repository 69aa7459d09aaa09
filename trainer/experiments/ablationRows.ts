import type { FineTuneOptions } from '../api/fineTune.ts';
import type { TrainOptions } from '../api/train.ts';
import { UserError } from '../../text/errors.ts';
import { suggestion } from './suggestion.ts';

/** How a row's language model came to be. */
export const LANGUAGE_MODELS = {
  /** As it was pretrained. */
  pretrained: undefined,
  /** From random weights, on the target text alone. */
  'without-pretraining': {},
  full: { unfreezing: 'full', discriminative: false, schedule: 'constant' },
  'full-discr': { unfreezing: 'full', discriminative: true, schedule: 'constant' },
  'full-discr-stlr': { unfreezing: 'full', discriminative: true, schedule: 'slanted-triangular' },
  /** The last one without any dropout. */
  vanilla: { unfreezing: 'full', discriminative: true, schedule: 'slanted-triangular', dropMult: 0 },
} as const satisfies Record<string, Partial<FineTuneOptions> | undefined>;
export type LanguageModelName = keyof typeof LANGUAGE_MODELS;

/** One way to do it: the settings of a run. */
export interface AblationRun {
  /** Undefined where a classifier begins with random weights. */
  readonly languageModel: LanguageModelName | undefined;
  readonly classifier: Pick<TrainOptions, 'unfreezing' | 'discriminative' | 'schedule' | 'learningRate' | 'dropMult'>;
  /** "We […] train all methods but ULMFiT with early stopping" (section 5). */
  readonly stopsEarly: boolean;
  /** Whether a forward and a backward model answer together. */
  readonly both?: boolean;
}

/** Rates of the classifier, section 5: .01 with discriminative rates and for the peak that chain-thaw takes its own from, .001 otherwise. */
const [HIGH, LOW] = [0.01, 0.001];
const ULMFIT = { unfreezing: 'gradual', discriminative: true, schedule: 'slanted-triangular', learningRate: HIGH } as const;
const USUAL = 'full-discr-stlr';

/** The runs behind the rows of the paper's tables 4 to 7; the tables have the full method in common. */
export const ABLATION_RUNS = {
  ulmfit: { languageModel: USUAL, classifier: ULMFIT, stopsEarly: false },
  'without-pretraining': { languageModel: 'without-pretraining', classifier: ULMFIT, stopsEarly: false },
  'vanilla-lm': { languageModel: 'vanilla', classifier: { ...ULMFIT, dropMult: 0 }, stopsEarly: false },
  'no-lm-fine-tuning': { languageModel: 'pretrained', classifier: ULMFIT, stopsEarly: false },
  'lm-full': { languageModel: 'full', classifier: ULMFIT, stopsEarly: false },
  'lm-full-discr': { languageModel: 'full-discr', classifier: ULMFIT, stopsEarly: false },
  scratch: { languageModel: undefined, classifier: flat('full', LOW), stopsEarly: true },
  full: { languageModel: USUAL, classifier: flat('full', LOW), stopsEarly: true },
  'full-discr': { languageModel: USUAL, classifier: { ...flat('full', HIGH), discriminative: true }, stopsEarly: true },
  last: { languageModel: USUAL, classifier: flat('last', LOW), stopsEarly: true },
  'chain-thaw': { languageModel: USUAL, classifier: flat('chain-thaw', HIGH), stopsEarly: true },
  freez: { languageModel: USUAL, classifier: flat('gradual', LOW), stopsEarly: true },
  'freez-discr': { languageModel: USUAL, classifier: { ...flat('gradual', HIGH), discriminative: true }, stopsEarly: true },
  'freez-stlr': { languageModel: USUAL, classifier: { ...flat('gradual', LOW), schedule: 'slanted-triangular' }, stopsEarly: true },
  'freez-cos': { languageModel: USUAL, classifier: { ...flat('gradual', LOW), schedule: 'cosine' }, stopsEarly: true },
  bidirectional: { languageModel: USUAL, classifier: ULMFIT, stopsEarly: false, both: true },
} as const satisfies Record<string, AblationRun>;
export type AblationRunName = keyof typeof ABLATION_RUNS;

/** One rate for all layers and for the whole run. */
function flat(unfreezing: NonNullable<TrainOptions['unfreezing']>, learningRate: number): AblationRun['classifier'] {
  return { unfreezing, discriminative: false, schedule: 'constant', learningRate };
}

/** Error rates in percent. */
export interface PaperErrors {
  readonly imdb?: number;
  readonly trec6?: number;
  readonly ag?: number;
}

export interface AblationTable {
  readonly title: string;
  readonly rows: readonly { readonly run: AblationRunName; readonly title: string; readonly paper: PaperErrors }[];
}

function row(run: AblationRunName, title: string, imdb: number, trec6?: number, ag?: number): AblationTable['rows'][number] {
  return { run, title, paper: { imdb, ...(trec6 !== undefined && { trec6 }), ...(ag !== undefined && { ag }) } };
}

/** The tables of Howard & Ruder 2018 (arXiv 1801.06146v5, section 5), with their validation error rates. */
export const ABLATION_TABLES = {
  table4: {
    title: 'Table 4: pretraining',
    rows: [row('without-pretraining', 'Without pretraining', 5.63, 10.67, 5.52), row('ulmfit', 'With pretraining', 5.0, 5.69, 5.38)],
  },
  table5: {
    title: 'Table 5: the language model',
    rows: [row('vanilla-lm', 'Vanilla LM', 5.98, 7.41, 5.76), row('ulmfit', 'AWD-LSTM LM', 5.0, 5.69, 5.38)],
  },
  table6: {
    title: 'Table 6: fine-tuning the language model',
    rows: [
      row('no-lm-fine-tuning', 'No LM fine-tuning', 6.99, 6.38, 6.09),
      row('lm-full', 'Full', 5.86, 6.54, 5.61),
      row('lm-full-discr', 'Full + discr', 5.55, 6.36, 5.47),
      row('ulmfit', 'Full + discr + stlr', 5.0, 5.69, 5.38),
    ],
  },
  table7: {
    title: 'Table 7: fine-tuning the classifier',
    rows: [
      row('scratch', 'From scratch', 9.93, 13.36, 6.81),
      row('full', 'Full', 6.87, 6.86, 5.81),
      row('full-discr', 'Full + discr', 5.57, 6.21, 5.62),
      row('last', 'Last', 6.49, 16.09, 8.38),
      row('chain-thaw', 'Chain-thaw', 5.39, 6.71, 5.9),
      row('freez', 'Freez', 6.37, 6.86, 5.81),
      row('freez-discr', 'Freez + discr', 5.39, 5.86, 6.04),
      row('freez-stlr', 'Freez + stlr', 5.04, 6.02, 5.35),
      row('freez-cos', 'Freez + cos', 5.7, 6.38, 5.29),
      row('ulmfit', 'Freez + discr + stlr', 5.0, 5.69, 5.38),
    ],
  },
  bidirectional: {
    title: "Two directions (the paper's are test errors)",
    rows: [row('ulmfit', 'One direction', 5.3), row('bidirectional', 'Both directions', 4.58)],
  },
} as const satisfies Record<string, AblationTable>;
export type AblationTableName = keyof typeof ABLATION_TABLES;

const TABLE_NAMES = Object.keys(ABLATION_TABLES) as AblationTableName[];
const RUN_NAMES = Object.keys(ABLATION_RUNS) as AblationRunName[];

/**
 * The runs that rows and tables ask for, each once.
 *
 * @param names of runs or tables; default: all tables of one direction
 * @throws UserError for a name that is neither
 */
export function runsOf(names: readonly string[] = TABLE_NAMES.filter((name) => name !== 'bidirectional')): AblationRunName[] {
  const chosen = new Set<string>();
  for (const name of names) {
    const table = TABLE_NAMES.find((each) => each === name);
    const runs: readonly string[] = table === undefined ? [name] : ABLATION_TABLES[table].rows.map(({ run }) => run);
    const unknown = runs.find((run) => !RUN_NAMES.some((known) => known === run));
    if (unknown !== undefined) {
      const known = [...TABLE_NAMES.slice(0, -1), ...RUN_NAMES];
      throw new UserError(`There is no row "${unknown}".${suggestion(unknown, known)} There are ${known.join(', ')}.`);
    }
    for (const run of runs) chosen.add(run);
  }
  return RUN_NAMES.filter((name) => chosen.has(name));
}

/** The tables that have something to compare, with the rows that were run; the full method's row alone is in the last one. */
export function tablesOf(runs: readonly AblationRunName[]): AblationTable[] {
  const tables = TABLE_NAMES.map((name): AblationTable => {
    const { title, rows } = ABLATION_TABLES[name];
    return { title, rows: rows.filter(({ run }) => runs.includes(run)) };
  });
  const compared = tables.filter(({ rows }) => rows.some(({ run }) => run !== 'ulmfit'));
  return compared.length > 0 ? compared : tables.filter(({ title, rows }) => title === ABLATION_TABLES.table7.title && rows.length > 0);
}
