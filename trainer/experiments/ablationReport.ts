import { aligned } from '../report/tables.ts';
import { type AblationRunName, type AblationTable, type PaperErrors, tablesOf } from './ablationRows.ts';
import type { ExperimentFolder } from './experiment.ts';
import { markdownTable } from './markdownTable.ts';
import { type Measure, shownSpread, type Spread, spreadOf } from './measure.ts';

/** What an ablation was measured on. */
export interface AblationDescription {
  readonly data: string;
  readonly from: string;
  readonly measure: Measure;
  /** Documents that each classifier was trained on. */
  readonly labels: number;
  /** Documents that it was judged on. */
  readonly test: number;
  readonly seeds: readonly number[];
}

/** A measured ablation: ablation.json. */
export interface AblationResults extends AblationDescription {
  readonly runs: readonly ({ readonly run: AblationRunName } & Spread)[];
  /** The rows of the tables, each with the paper's validation error rates in percent. */
  readonly tables: readonly AblationTable[];
}

/** Writes ablation.json and ablation.md. */
export async function writeAblation(
  folder: ExperimentFolder,
  description: AblationDescription,
  results: readonly { readonly run: AblationRunName; readonly values: readonly number[] }[],
): Promise<AblationResults> {
  const runs = results.map(({ run, values }) => ({ run, ...spreadOf(values) }));
  const ablation = { ...description, runs, tables: tablesOf(results.map(({ run }) => run)) };
  await folder.write('ablation.json', `${JSON.stringify(ablation, null, 2)}\n`);
  const sections = ablation.tables.map((table) => `## ${table.title}\n\n${markdownTable(rowsOf(ablation, table))}\n`);
  await folder.write('ablation.md', `# Ablation\n\n${ablationCaption(ablation)}\n\n${sections.join('\n')}`);
  return ablation;
}

/** The tables as aligned text. */
export function ablationTables(ablation: AblationResults): string {
  return ablation.tables.map((table) => `${table.title}\n${aligned(rowsOf(ablation, table))}`).join('\n\n');
}

/** What the columns are. */
export function ablationCaption({ measure, test, labels, seeds }: AblationResults): string {
  const spread = seeds.length > 1 ? `mean of ${seeds.length} seeds [least – greatest]` : 'one seed';
  return (
    `Here: ${measure.label} on ${test} documents, trained on ${labels}; ${spread}. ` +
    'IMDb, TREC-6, AG: validation error rates of Howard & Ruder 2018, %.'
  );
}

const PAPER_COLUMNS: readonly (readonly [title: string, of: (paper: PaperErrors) => number | undefined])[] = [
  ['IMDb', ({ imdb }) => imdb],
  ['TREC-6', ({ trec6 }) => trec6],
  ['AG', ({ ag }) => ag],
];

function rowsOf({ runs, measure }: AblationResults, { rows }: AblationTable): string[][] {
  const here = (name: AblationRunName): string => {
    const run = runs.find((each) => each.run === name);
    return run === undefined ? '–' : shownSpread(measure, run);
  };
  return [
    ['', 'here', ...PAPER_COLUMNS.map(([title]) => title)],
    ...rows.map(({ title, run, paper }) => [title, here(run), ...PAPER_COLUMNS.map(([, of]) => of(paper)?.toFixed(2) ?? '–')]),
  ];
}
