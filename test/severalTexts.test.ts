/** Documents of several texts, such as a title and a body, through every command to the served answer. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { beforeAll, expect, it } from 'vitest';

import { startServer } from '../serve/node/server.ts';
import { ulmfit } from './cli/commandLine.ts';
import { generatedReviews, jsonLines } from './fixtures/generatedText.ts';

let folder: string;
const at = (name: string): string => join(folder, name);

async function run(line: string): Promise<string> {
  const { code, stdout, stderr } = await ulmfit(line.split(' ').map((word) => (word.startsWith('@') ? at(word.slice(1)) : word)));
  expect(code, stderr).toBe(0);
  return stdout;
}

interface Report {
  readonly title: string;
  readonly body: string;
  readonly label: 'neg' | 'pos';
}

/** The title tells the label, and the body always says the opposite: only who knows which is which can be right. */
function reports(count: number, seed: number): Report[] {
  const words = generatedReviews(count, seed);
  const [titles, bodies] = [words.filter(({ label }) => label === 'neg'), words.filter(({ label }) => label === 'pos')];
  return titles.flatMap(({ text: bad }, index) => {
    const good = bodies[index]?.text ?? '';
    return [
      { title: bad, body: good, label: 'neg' },
      { title: good, body: bad, label: 'pos' },
    ] as const;
  });
}

const COLUMNS = '--text title --text body';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-test-'));
  await writeFile(at('train.jsonl'), jsonLines(reports(80, 1)));
  await writeFile(at('test.jsonl'), jsonLines(reports(20, 2)));
  await writeFile(
    at('swapped.jsonl'),
    jsonLines(reports(20, 2).map(({ title, body, ...rest }) => ({ ...rest, title: body, body: title }))),
  );
  return () => rm(folder, { recursive: true });
});

it('pretrain and finetune read all of them', async () => {
  await run(`pretrain @train.jsonl ${COLUMNS} --out @lm --embedding 16 --hidden 24 --layers 2 --vocab 100 --batch 8 --bptt 16 --epochs 1`);
  await run(`finetune @train.jsonl ${COLUMNS} --from @lm --out @own-lm --batch 8 --bptt 16 --epochs 1`);
  const vocabulary = JSON.parse(await readFile(at('lm/vocabulary.json'), 'utf8')) as string[];
  expect(vocabulary).toEqual(expect.arrayContaining(['xxfld', '1', '2', 'good', 'bad']));
});

it('train learns which is which', async () => {
  await run(
    `train @train.jsonl ${COLUMNS} --from @own-lm --out @classifier --epochs 12 --batch 8 --learning-rate 0.03 --unfreezing full --no-discriminative`,
  );
  const figures = JSON.parse(await run(`evaluate @classifier @test.jsonl ${COLUMNS} --json`)) as { accuracy: number };
  expect(figures.accuracy).toBeGreaterThanOrEqual(0.9);
  // The same texts in the other columns mean the opposite.
  const swapped = JSON.parse(await run(`evaluate @classifier @swapped.jsonl ${COLUMNS} --json`)) as { accuracy: number };
  expect(swapped.accuracy).toBeLessThanOrEqual(0.1);
});

it('predict and the served bundle give the same answers', async () => {
  const lines = (await run(`predict @classifier --file @test.jsonl ${COLUMNS} --json`)).trimEnd().split('\n');
  const predicted = lines.map((line) => JSON.parse(line) as { label: string; score: number });
  expect(predicted.filter(({ label }, index) => label === reports(20, 2)[index]?.label).length).toBeGreaterThanOrEqual(18);

  await run(`export @classifier --out @bundle --documents @test.jsonl ${COLUMNS}`);
  const server = await startServer(at('bundle'), { port: 0 });
  try {
    const response = await fetch(`${server.url}/v1/classify`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: reports(20, 2).map(({ title, body }) => `xxfld 1 ${title} xxfld 2 ${body}`) }),
    });
    const served = (await response.json()) as { label: string; score: number }[][];
    served.forEach(([best], index) => {
      expect(best?.label).toBe(predicted[index]?.label);
      expect(best?.score).toBeCloseTo(predicted[index]?.score ?? Number.NaN, 4);
    });
    expect(served).toHaveLength(20);
  } finally {
    await server.stop();
  }
});
