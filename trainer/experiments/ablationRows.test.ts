import { describe, expect, it } from 'vitest';
import { UserError } from '../../text/errors.ts';
import { ABLATION_RUNS, ABLATION_TABLES, LANGUAGE_MODELS, runsOf, tablesOf } from './ablationRows.ts';

describe("the paper's tables", () => {
  it.each(['table4', 'table5', 'table6', 'table7'] as const)('%s ends with the full method, whose figures are the same in all', (name) => {
    expect(ABLATION_TABLES[name].rows.at(-1)).toMatchObject({ run: 'ulmfit', paper: { imdb: 5, trec6: 5.69, ag: 5.38 } });
  });

  it('have as many rows as in the paper, each another run', () => {
    const runs = Object.values(ABLATION_TABLES).map(({ rows }) => rows.map(({ run }) => run));
    expect(runs.map((each) => each.length)).toEqual([2, 2, 4, 10, 2]);
    for (const each of runs) expect(new Set<string>(each).size).toBe(each.length);
  });

  it('say of the full method what the abstract says: the best of its table on IMDb and TREC-6', () => {
    for (const name of ['table4', 'table5', 'table6', 'table7'] as const) {
      for (const { paper } of ABLATION_TABLES[name].rows) {
        expect(paper.imdb).toBeGreaterThanOrEqual(5);
        expect(paper.trec6).toBeGreaterThanOrEqual(5.69);
      }
    }
  });
});

describe('runs', () => {
  it('differ from each other', () => {
    const settings = Object.values(ABLATION_RUNS).map((run) => JSON.stringify(run));
    expect(new Set(settings).size).toBe(settings.length);
    const models = Object.values(LANGUAGE_MODELS).map((model) => JSON.stringify(model));
    expect(new Set(models).size).toBe(models.length);
  });

  it('of tables and rows are taken once each', () => {
    expect(runsOf(['table4', 'ulmfit', 'last'])).toEqual(['ulmfit', 'without-pretraining', 'last']);
    expect(runsOf()).toEqual(Object.keys(ABLATION_RUNS).filter((name) => name !== 'bidirectional'));
  });

  it('that are unknown are refused with a suggestion', () => {
    expect(() => runsOf(['chainthaw'])).toThrow(UserError);
    expect(() => runsOf(['chainthaw'])).toThrow(/no row "chainthaw"\. Did you mean "chain-thaw"\? There are table4, /);
  });
});

describe('tables of some runs', () => {
  const shown = (...names: string[]) => tablesOf(runsOf(names)).map(({ title, rows }) => [title.slice(0, 7), rows.map(({ run }) => run)]);

  it('have what there is to compare, with the full method beside it', () => {
    expect(shown('lm-full', 'last', 'ulmfit')).toEqual([
      ['Table 6', ['lm-full', 'ulmfit']],
      ['Table 7', ['last', 'ulmfit']],
    ]);
    expect(shown('last')).toEqual([['Table 7', ['last']]]);
    expect(shown('ulmfit')).toEqual([['Table 7', ['ulmfit']]]);
  });
});
