/** `ulmfit curve` and `ulmfit ablate` as a user runs them. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ulmfit } from '../../test/cli/commandLine.ts';
import { generatedDocuments, generatedReviews, jsonLines } from '../../test/fixtures/generatedText.ts';
import { pretrain } from '../api/pretrain.ts';

let folder: string;
const at = (name: string): string => join(folder, name);
const run = (line: string) => ulmfit(line.split(' ').map((word) => (word.startsWith('@') ? at(word.slice(1)) : word)));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-test-'));
  await writeFile(at('corpus.jsonl'), jsonLines(generatedDocuments(30, 10, 1)));
  await writeFile(at('reviews.jsonl'), jsonLines(generatedReviews(60, 2)));
  await pretrain(at('corpus.jsonl'), { embedding: 8, hidden: 12, layers: 2, vocab: 100, batch: 4, bptt: 16, epochs: 1, out: at('lm') });
  return () => rm(folder, { recursive: true });
});

describe('curve', () => {
  const LINE = 'curve @reviews.jsonl --from @lm --out @curve --labels 8 --ways scratch,supervised --seeds 1 --epochs 1 --lm-epochs 1';

  it('prints a table and what the labels are worth; progress goes to standard error', async () => {
    const { code, stdout, stderr } = await run(LINE);
    expect(code, stderr).toBe(0);
    const [header, row, empty, sentence] = stdout.split('\n');
    expect(header).toMatch(/^labels +from scratch +ULMFiT, supervised$/);
    expect(row).toMatch(/^8 +\d+\.\d % +\d+\.\d %$/);
    expect(empty).toBe('');
    expect(sentence).toMatch(/^8 labels with supervised ULMFiT do /);
    expect(stderr).toMatch(
      /^1\/3 {2}from scratch, 8 labels, seed 1\n1\/3 {2}test error \d+\.\d % \(\d+ s, epoch 1 kept\)\n2\/3 {2}language model on the text of 8/m,
    );
    expect(stderr).toContain(`Written to ${at('curve/curve.svg')}`);
  });

  it('goes on with what is there, repeats nothing, and takes a configuration', async () => {
    const config = JSON.parse(await readFile(at('curve/config.json'), 'utf8')) as object;
    expect(config).toMatchObject({ command: 'curve', labels: [8], seeds: [1], epochs: 1, testFraction: 0.2 });
    const again = await run('curve @reviews.jsonl --config @curve/config.json --out @curve --resume --json');
    expect(again.code, again.stderr).toBe(0);
    expect(again.stderr).not.toContain('from scratch, 8 labels');
    expect(JSON.parse(again.stdout)).toMatchObject({ points: [{ way: 'scratch', labels: 8 }, { way: 'supervised' }], seeds: [1] });
    const refused = await run(LINE);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toContain('holds an earlier experiment');
  });
});

describe('ablate', () => {
  it('prints tables beside the figures of the paper', async () => {
    const { code, stdout, stderr } = await run(
      'ablate @reviews.jsonl --from @lm --out @ablation --rows last,scratch --seeds 1 --epochs 1 --lm-epochs 1',
    );
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(
      /^Table 7: fine-tuning the classifier\n +here +IMDb +TREC-6 +AG\nFrom scratch +\d+\.\d % +9\.93 +13\.36 +6\.81\nLast +\d+\.\d % +6\.49/,
    );
    expect(stdout).toContain('validation error rates of Howard & Ruder 2018');
  });
});

describe("a user's mistakes", () => {
  it.each([
    ['curve @reviews.jsonl --out @no --labels 8', "required option '--from <model>' not specified"],
    ['curve @reviews.jsonl --out @no --from @lm', "required option '--labels <counts>' not specified"],
    ['curve @reviews.jsonl --out @no --from @lm --labels 8,x', "argument '8,x' is invalid. It must be a whole number of at least 1."],
    ['curve @reviews.jsonl --out @no --from @lm --labels 8 --ways skratch', 'no way "skratch" to a classifier. Did you mean "scratch"?'],
    ['ablate @reviews.jsonl --out @no --from @lm --rows table8', 'no row "table8". Did you mean "table4"?'],
    ['ablate @reviews.jsonl --out @no --from @lm --rows bidirectional', 'needs a pair of language models'],
  ])('%s', async (line, message) => {
    const { code, stdout, stderr } = await run(line);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });
});
