/** Whole ablations on tiny models and made-up texts. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { generatedDocuments, generatedReviews, jsonLines } from '../../test/fixtures/generatedText.ts';
import { UserError } from '../../text/errors.ts';
import { pretrain } from '../api/pretrain.ts';
import { ablate, type AblationOptions } from './ablate.ts';
import { ablationTables, type AblationResults } from './ablationReport.ts';

let folder: string;
const at = (...parts: string[]): string => join(folder, ...parts);
let experiments = 0;
const fresh = (): string => at(`experiment-${experiments++}`);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-test-'));
  await writeFile(at('corpus.jsonl'), jsonLines(generatedDocuments(30, 10, 1)));
  await writeFile(at('reviews.jsonl'), jsonLines(generatedReviews(60, 2)));
  const tiny = { embedding: 8, hidden: 12, layers: 2, vocab: 100, batch: 4, bptt: 16, epochs: 1 };
  await pretrain(at('corpus.jsonl'), { ...tiny, out: at('pair'), direction: 'both' });
  return () => rm(folder, { recursive: true });
});

function options(out: string): AblationOptions {
  return {
    out,
    from: at('pair', 'forward'),
    seeds: [1],
    epochs: 2,
    lmEpochs: 1,
    validFraction: 0.2,
    classifier: { batch: 4 },
    scratch: { batch: 4 },
    languageModel: { batch: 4, bptt: 8 },
  };
}

const configOf = async (...parts: string[]): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(...parts, 'config.json'), 'utf8')) as Record<string, unknown>;

// Many runs, each with checkpoints and a report of its own.
describe('an ablation', { timeout: 180_000 }, () => {
  it('of three rows: shares language models, stands beside the paper', async () => {
    const out = fresh();
    const jobs: string[] = [];
    const { ablation } = await ablate(at('reviews.jsonl'), {
      ...options(out),
      rows: ['scratch', 'freez-cos', 'ulmfit'],
      seeds: [1, 2],
      labels: 12,
      onJob: ({ title }) => void jobs.push(title),
    });
    expect(jobs).toEqual(
      [1, 2].flatMap((seed) => [
        `language model, full discr stlr, seed ${seed}`,
        `ulmfit, seed ${seed}`,
        `scratch, seed ${seed}`,
        `freez cos, seed ${seed}`,
      ]),
    );
    const lines = ablationTables(ablation as AblationResults).split('\n');
    expect(lines).toEqual([
      'Table 7: fine-tuning the classifier',
      expect.stringMatching(/^ +here +IMDb +TREC-6 +AG$/),
      expect.stringMatching(/^From scratch +\d+\.\d % \[\d+\.\d – \d+\.\d\] +9\.93 +13\.36 +6\.81$/),
      expect.stringMatching(/^Freez \+ cos +\d+\.\d % \[\d+\.\d – \d+\.\d\] +5\.70 +6\.38 +5\.29$/),
      expect.stringMatching(/^Freez \+ discr \+ stlr +\d+\.\d % \[\d+\.\d – \d+\.\d\] +5\.00 +5\.69 +5\.38$/),
    ]);
    expect(JSON.parse(await readFile(join(out, 'ablation.json'), 'utf8'))).toEqual(JSON.parse(JSON.stringify(ablation)));
    expect(await readFile(join(out, 'ablation.md'), 'utf8')).toContain('| Freez + cos |');
    expect(ablation).toMatchObject({ labels: 12, test: 12 });
  });

  it('does each row as its name says', async () => {
    const out = fresh();
    await ablate(at('reviews.jsonl'), { ...options(out), rows: ['table4', 'table5', 'table6', 'chain-thaw', 'full'] });
    const [ulmfit, full, chainThaw, vanilla] = await Promise.all(
      ['ulmfit', 'full', 'chain-thaw', 'vanilla-lm'].map((name) => configOf(out, 'runs', `${name}-1`)),
    );
    expect(ulmfit).toMatchObject({
      unfreezing: 'gradual',
      discriminative: true,
      schedule: 'slanted-triangular',
      learningRate: 0.01,
      dropMult: 0.5,
    });
    expect(ulmfit).not.toHaveProperty('earlyStopping');
    expect(full).toMatchObject({ unfreezing: 'full', discriminative: false, schedule: 'constant', learningRate: 0.001, earlyStopping: 5 });
    expect(chainThaw).toMatchObject({ unfreezing: 'chain-thaw', learningRate: 0.01 });
    expect(vanilla).toMatchObject({ dropMult: 0, from: join(out, 'models', 'language-model-vanilla-1') });
    expect((await configOf(out, 'runs', 'no-lm-fine-tuning-1'))['from']).toBe(at('pair', 'forward'));
    expect((await readdir(join(out, 'models'))).toSorted()).toEqual(
      ['full', 'full-discr', 'full-discr-stlr', 'vanilla', 'without-pretraining'].map((name) => `language-model-${name}-1`),
    );
    expect(await configOf(out, 'models', 'language-model-full-1')).toMatchObject({
      discriminative: false,
      schedule: 'constant',
      unfreezing: 'full',
    });
    expect(await configOf(out, 'models', 'language-model-vanilla-1')).toMatchObject({ dropMult: 0, schedule: 'slanted-triangular' });
    const without = await configOf(out, 'models', 'language-model-without-pretraining-1');
    expect(without).toMatchObject({ command: 'pretrain', embedding: 8, hidden: 12, layers: 2 });
  });

  it('that was stopped goes on where it was, and comes to the same', async () => {
    const [whole, out] = [fresh(), fresh()];
    const usual = { ...options(whole), rows: ['lm-full', 'last'] };
    const expected = await ablate(at('reviews.jsonl'), usual);
    let sessions = 0;
    for (let interrupted = true; interrupted; sessions++) {
      const stop = new AbortController();
      let steps = 0;
      const onStep = (): void => void (++steps === 23 && stop.abort());
      const result = await ablate(at('reviews.jsonl'), { ...usual, out, resume: sessions > 0, signal: stop.signal, onStep });
      ({ interrupted } = result);
      if (!interrupted) expect(result.ablation).toEqual(expected.ablation);
    }
    expect(sessions).toBeGreaterThan(2);
  });

  it('of a pair has a row for both directions; the others read forward', async () => {
    const out = fresh();
    const { ablation } = await ablate(at('reviews.jsonl'), {
      ...options(out),
      from: at('pair'),
      rows: ['bidirectional', 'ulmfit'],
      keepModels: true,
    });
    expect(ablation?.tables.map(({ rows }) => rows.map(({ run }) => run))).toEqual([['ulmfit', 'bidirectional']]);
    expect(await readdir(join(out, 'runs', 'bidirectional-1'))).toEqual(expect.arrayContaining(['backward', 'forward']));
    expect(JSON.parse(await readFile(join(out, 'runs', 'ulmfit-1', 'model.json'), 'utf8'))).toMatchObject({ direction: 'forward' });
    await expect(ablate(at('reviews.jsonl'), { ...options(fresh()), rows: ['bidirectional'] })).rejects.toThrow(
      /"bidirectional" needs a pair of language models/,
    );
  });
});

describe('bad input leaves nothing behind', () => {
  it.each<[string, Partial<AblationOptions>, RegExp]>([
    ['an unknown row', { rows: ['frez'] }, /no row "frez"\. Did you mean "freez"\?/],
    ['too many labels', { labels: 500 }, /--labels 500: .* has only 38 documents to train on/],
    ['no model', { from: 'nowhere' }, /no model folder nowhere/],
  ])('%s', async (_name, changes, message) => {
    const out = fresh();
    const attempt = ablate(at('reviews.jsonl'), { ...options(out), ...changes });
    await expect(attempt).rejects.toThrow(UserError);
    await expect(attempt).rejects.toThrow(message);
    expect(await readdir(out).catch(() => [])).toEqual([]);
  });
});
