/** `ulmfit fit` and `ulmfit find-rate` as a person runs them. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it, vi } from 'vitest';
import { generatedDocuments, generatedReviews, jsonLines } from '../../test/fixtures/generatedText.ts';
import { readBundle } from '../../export/bundleFolder.ts';
import { pretrain } from '../api/pretrain.ts';
import { createProgram } from '../cli.ts';

let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-test-'));
  await writeFile(at('corpus.jsonl'), jsonLines(generatedDocuments(30, 10, 1)));
  await writeFile(at('reviews.jsonl'), jsonLines(generatedReviews(40, 2)));
  await writeFile(at('test.jsonl'), jsonLines(generatedReviews(20, 3)));
  const sizes = { embedding: 8, hidden: 12, layers: 2, vocab: 100, batch: 4, bptt: 16, epochs: 1 };
  await pretrain(at('corpus.jsonl'), { ...sizes, out: at('lm') });
  return () => rm(folder, { recursive: true });
});

/** Runs a command line in this process. Words that name files of the test's folder begin with `@`. */
async function run(line: string): Promise<{ output: string; notes: string }> {
  let [output, notes] = ['', ''];
  using _output = vi.spyOn(process.stdout, 'write').mockImplementation((piece) => (output += String(piece)) !== '');
  using _errors = vi.spyOn(process.stderr, 'write').mockImplementation((piece) => (notes += String(piece)) !== '');
  using _notes = vi.spyOn(console, 'error').mockImplementation((note: unknown) => void (notes += `${String(note)}\n`));
  const words = line.split(' ').map((word) => (word.startsWith('@') ? at(word.slice(1)) : word));
  await createProgram().parseAsync([...words, '--device', 'cpu'], { from: 'user' });
  return { output, notes };
}

it('fit: prints what it measured and the next command, exports 8 bits on request, and goes on where it was', async () => {
  const line = 'fit @reviews.jsonl --out @fit --from @lm --test @test.jsonl --quick --batch 4 --int8';
  const { output, notes } = await run(line);
  expect(output).toMatch(/^accuracy {2}\d+\.\d % {2}\(20 documents held out\)\n$/);
  expect(notes).toContain('Step 2: the language model reads your texts\n');
  expect(notes).toContain('Step 3: a classifier learns your labels\n');
  expect(notes).toMatch(/Written to .*bundle: \d+ documents, probabilities within \S+ of the trainer's, 0 labels differ\./);
  expect(notes).toContain(`What it gets wrong:  ${at('fit/evaluation.html')}\n`);
  expect(notes.trimEnd().split('\n').at(-1)).toBe(`Next:  ulmfit serve ${at('fit/bundle')}`);
  const { bundle } = await readBundle(at('fit/bundle'));
  expect(bundle.precision).toBe('int8');
  // 8 bits are not 32: a difference of nothing would mean that the weights are others.
  const { maxProbabilityDifference: rounding = 0 } = bundle.parity as { maxProbabilityDifference?: number };
  expect(rounding).toBeGreaterThan(1e-5);
  const accuracy = /(\d+\.\d) %/.exec(output)?.[1];

  const again = await run(`${line} --resume --json`);
  expect(again.notes).toContain('Step 3: a classifier learns your labels: done before\n');
  const figures = JSON.parse(again.output) as { bundle: string; metrics: { accuracy: number } };
  expect(figures).toMatchObject({ bundle: at('fit/bundle'), metrics: { n: 20 }, parity: { labelDisagreements: 0 } });
  expect((100 * figures.metrics.accuracy).toFixed(1)).toBe(accuracy);
  await expect(run(`${line} --seed 3 --resume`)).rejects.toThrow(/seed was not given when the fit began and is 3 now/);
});

it('find-rate: prints the curve and the suggestions, and draws them', async () => {
  const line = 'find-rate @reviews.jsonl --from @lm --step finetune --batch 4 --bptt 8 --steps 40 --lowest 1e-4';
  const { output, notes } = await run(`${line} --out @rate`);
  expect(output).toMatch(/^rate +loss\n1\.0e-4 +\d\.\d{4} +█/);
  const valley = /^valley +(\d\.\de-\d)$/m.exec(output)?.[1];
  expect(valley).toBeDefined();
  expect(notes).toContain(`--learning-rate ${valley} --out …`);
  expect(notes).toContain('all layer groups learn, each 2.6 times slower than the one after it');
  expect(await readFile(at('rate.svg'), 'utf8')).toContain('Learning rates for the language model');
  expect((await readFile(at('rate.png'))).subarray(1, 4).toString()).toBe('PNG');

  const found = JSON.parse((await run(`${line} --json`)).output) as { points: object[]; suggestions: { valley: number } };
  expect(found.suggestions.valley.toExponential(1)).toBe(valley);
  expect(found.points.length).toBeGreaterThan(20);
});

it('find-rate --multi-label and --regression reach the library', async () => {
  const line = 'find-rate @reviews.jsonl --from @lm --steps 20';
  await expect(run(`${line} --regression`)).rejects.toThrow(/number/);
  await expect(run(`${line} --label stars`)).rejects.toThrow(/stars/);
});
