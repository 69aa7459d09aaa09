import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { judgeAnswers } from '../recipe/judgeAnswers.ts';
import { RunFolder } from '../recipe/runFolder.ts';
import { writeEvaluation, type Evaluation } from './evaluation.ts';
import { writeEvaluationReport } from './evaluationReport.ts';
import { writeRunReport, writeRunReports } from './runReport.ts';

/** What a browser would load from elsewhere, or run. */
const FOREIGN = /^<(script|link|iframe|img|object|embed|base|form)\b|\s(on[a-z]+|src)=|href="[^#]/i;
const TAG = /<(?:"[^"]*"|[^">])*>/g;

function expectToStandAlone(page: string): void {
  expect(page.match(TAG)?.filter((tag) => FOREIGN.test(tag))).toEqual([]);
  expect(/<style>([^]*)<\/style>/.exec(page)?.[1]).not.toMatch(/@import|url\(/);
  expect(page.match(/<style>/g)).toHaveLength(1);
}

const VOID = new Set(['meta', 'br', 'hr', 'img', 'link', 'input']);

/** Makes sure that every element that is opened is closed in its place, which browsers forgive and readers for the blind do not. */
function expectWellFormed(page: string): void {
  const open: string[] = [];
  for (const [, slash, name = '', selfClosing] of page.matchAll(/<(\/?)([a-zA-Z][a-zA-Z0-9]*)(?:"[^"]*"|[^">])*?(\/?)>/g)) {
    if (slash === '/') expect(open.pop()).toBe(name);
    else if (selfClosing !== '/' && !VOID.has(name)) open.push(name);
  }
  expect(open).toEqual([]);
  const ids = Array.from(page.matchAll(/ id="([^"]*)"/g), ([, id]) => id);
  expect(new Set(ids).size).toBe(ids.length);
}

const titlesOf = (page: string) => Array.from(page.matchAll(/<h2[^>]*>([^<]*)</g), ([, title]) => title);
const count = (page: string, what: string) => page.split(what).length - 1;

async function reportOf(folder: string, evaluation?: Evaluation): Promise<string> {
  const page = await readFile(await writeRunReport(folder, { evaluation }), 'utf8');
  expectToStandAlone(page);
  expectWellFormed(page);
  return compact(page);
}

/** Without the space between elements. */
const compact = (page: string): string => page.replaceAll(/>\s+/g, '>').replaceAll(/\s+</g, '<');

async function languageModelRun(lines = 30): Promise<string> {
  let time = 1_700_000_000_000;
  const folder = join(await temporaryFolder(), 'wiki <1>');
  const run = new RunFolder(folder, undefined, () => (time += 1000));
  await run.begin({ command: 'pretrain', sizes: { hidden: 12 }, text: ['title', 'body'], corpus: 'a & b' });
  await run.rewind(0, 0);
  for (let step = 10; step <= 10 * lines; step += 10) {
    const epoch = step <= 5 * lines ? 1 : 2;
    await run.record({ step, epoch, loss: 3 + 5 / step, learningRate: 0.004, tokens: 100 * step });
    if (step === 5 * lines || step === 10 * lines) await run.record({ step, epoch, validationLoss: 3.5, perplexity: Math.exp(3.5) });
  }
  return folder;
}

const HOSTILE = '<script>alert("1")</script> & <img src=x onerror=alert(1)>';

/** Documents of as many labels; every third is answered with the next label. */
function singleLabelEvaluation(labels: readonly string[], documents = 60): Evaluation {
  const answer = (likeliest: number) => Float32Array.from(labels, (_, index) => (index === likeliest ? 0.5 : 0.5 / (labels.length - 1)));
  const wanted = Array.from({ length: documents }, (_, index) => index % labels.length);
  return judgeAnswers({
    task: 'singleLabel',
    labels,
    texts: wanted.map((_, index) => [`${HOSTILE} ${index}`]),
    targets: wanted.map((place) => Float32Array.from(labels, (_, index) => Number(index === place))),
    answers: wanted.map((place, index) => answer(index % 3 === 0 ? (place + 1) % labels.length : place)),
  });
}

describe('a language model’s run', () => {
  it('has curves, epochs and settings', async () => {
    const folder = await languageModelRun();
    const page = await reportOf(folder);
    expect(titlesOf(page)).toEqual(['Curves', 'Epochs', 'Settings']);
    expect(page).toContain('<h1>Pretraining: wiki &lt;1&gt;</h1>');
    expect(page).toContain('The run has not ended, or was stopped.');
    expect(Array.from(page.matchAll(/<svg role="img" aria-label="([^"]*)"/g), ([, label]) => label)).toEqual([
      'Loss',
      'Perplexity',
      'Learning rate',
      'Speed',
    ]);
    expect(page).toContain('<dt>tokens a second</dt><dd>1,000</dd>');
    expect(page).toContain('<code>sizes.hidden</code></th><td class="text">12</td>');
    expect(page).toContain('title, body');
    expect(page).toContain('a &amp; b');
    const row = /<tr><th scope="row" class="number">2<\/th>(.*?)<\/tr>/.exec(page)?.[1]?.match(/>[^<]+</g);
    expect(row).toEqual(['>300<', '>3.0226<', '>0.00400<', '>3.5000<', '>33.1155<', '>16 s<']);
  });

  it('is the same page when it is made anew', async () => {
    const folder = await languageModelRun();
    expect(await reportOf(folder)).toBe(await reportOf(folder));
  });

  it('is finished once there is a model, whose card it shows', async () => {
    const folder = await languageModelRun();
    const model = { kind: 'languageModel', direction: 'backward', metrics: { perplexity: 33.1155, steps: 300 }, dataLicence: 'CC0-1.0' };
    await writeFile(join(folder, 'model.json'), JSON.stringify(model));
    const page = await reportOf(folder);
    expect(page).toContain('The run is finished.');
    expect(titlesOf(page)).toContain('Model');
    expect(page).toContain('<td class="text">CC0-1.0</td>');
    expect(page).toContain('<td class="text">33.1155</td>');
  });

  it('stays small, however long the run', async () => {
    const folder = await temporaryFolder();
    const lines = Array.from({ length: 200_000 }, (_, index) =>
      JSON.stringify({
        step: 10 * (index + 1),
        epoch: 1,
        loss: 4 + Math.sin(index) + 30 * Math.exp(-index / 1e4),
        learningRate: 0.004,
        tokens: index,
      }),
    );
    await writeFile(join(folder, 'metrics.jsonl'), lines.join('\n'));
    expect((await reportOf(folder)).length).toBeLessThan(150_000);
  });
});

describe('a classifier’s run', () => {
  it('shows its held-out documents, nothing of them as markup', async () => {
    const folder = await temporaryFolder({ 'config.json': '{"command":"train"}' });
    await writeEvaluation(folder, singleLabelEvaluation(['a', '<b>', 'c']));
    const page = await reportOf(folder);
    expect(titlesOf(page)).toEqual(['Confusion', 'Labels', 'Calibration', 'Most wrong', 'Settings']);
    expect(page).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &lt;img');
    expect(page).toContain('&lt;b&gt;');
    expect(page).toContain('<dt>accuracy</dt><dd>66.7 %</dd>');
    expect(count(page, '<blockquote>')).toBe(20);
    expect(count(page, '<svg role="img"')).toBe(2);
    expect(page).toMatch(/title="a → &lt;b&gt;: 100\.0 % of 20"\s*>20<small>100\.0 %<\/small>/);
    expect(page).toContain('<th scope="row" class="text">best temperature</th>');
  });

  it('shows what it is given rather than what lies there', async () => {
    const folder = await temporaryFolder({ 'config.json': '{}' });
    await writeEvaluation(folder, singleLabelEvaluation(['a', 'b', 'c'], 60));
    expect(await reportOf(folder, singleLabelEvaluation(['a', 'b', 'c'], 30))).toContain('<dt>documents</dt><dd>30</dd>');
  });

  it('has a matrix of up to 50 labels, and lists the confusions of more', async () => {
    const labels = (length: number) => Array.from({ length }, (_, index) => `label ${index}`);
    const folder = await temporaryFolder({ 'config.json': '{}' });
    const fifty = await reportOf(folder, singleLabelEvaluation(labels(50), 500));
    expect(count(fifty, 'class="confusion upright dense"')).toBe(1);
    expect(fifty.match(/<td\s+class="(right|other|none)"/g)).toHaveLength(2500);
    expect(fifty.length).toBeLessThan(400_000);
    const many = await reportOf(folder, singleLabelEvaluation(labels(300), 600));
    expect(many).not.toContain('class="confusion');
    expect(many).toContain('300 labels are too many for a matrix');
    expect(many).toContain('The 200 of 300 labels with the lowest F1.');
  });

  it('says so where nothing was wrong', async () => {
    const targets = [Float32Array.of(1, 0), Float32Array.of(0, 1)];
    const perfect = judgeAnswers({ task: 'singleLabel', labels: ['a', 'b'], texts: [['x'], ['y']], targets, answers: targets });
    expect(await reportOf(await temporaryFolder({ 'config.json': '{}' }), perfect)).toContain('<p>No document was wrong.</p>');
  });
});

describe('other evaluations', () => {
  const texts = Array.from({ length: 40 }, (_, index) => [`text ${index}`, HOSTILE]);

  it('of several labels', async () => {
    const evaluation = judgeAnswers({
      task: 'multiLabel',
      labels: ['a', 'b'],
      texts,
      targets: texts.map((_, index) => Float32Array.of(index % 2, 1)),
      answers: texts.map((_, index) => Float32Array.of(0.8, index % 4 === 0 ? 0.25 : 0.9)),
    });
    const page = await reportOf(await temporaryFolder({ 'config.json': '{}' }), evaluation);
    expect(titlesOf(page)).toEqual(['Labels', 'Calibration', 'Most wrong']);
    expect(page).toContain('given wrongly:<strong>a (80.0 %)</strong>. missed:<strong>b (25.0 %)</strong>. Has: b.');
    for (const figure of ['micro F1', 'macro F1', 'all labels right']) expect(page).toContain(`<dt>${figure}</dt>`);
  });

  it('of numbers', async () => {
    const evaluation = judgeAnswers({
      task: 'regression',
      labels: [],
      texts,
      targets: texts.map((_, index) => Float32Array.of(index)),
      answers: texts.map((_, index) => Float32Array.of(index + 0.5)),
    });
    const page = await reportOf(await temporaryFolder({ 'config.json': '{}' }), evaluation);
    expect(titlesOf(page)).toEqual(['Wanted and given numbers', 'Most wrong']);
    expect(page).toContain('<dt>root mean squared error</dt><dd>0.5000</dd>');
    expect(page).toContain('given<strong>0.5000</strong>, is<strong>0</strong>');
  });

  it('of both language models of a pair, as a page of its own', async () => {
    const figures = { n: 1000, loss: 4, perplexity: Math.exp(4), unknownRate: 0.0625 };
    const members = (['forward', 'backward'] as const).map((direction) => ({ direction, metrics: figures }));
    const path = join(await temporaryFolder(), 'page.html');
    await writeEvaluationReport(path, { task: 'languageModel', members }, { model: 'models/pair', data: '-' });
    const page = compact(await readFile(path, 'utf8'));
    expectToStandAlone(page);
    expectWellFormed(page);
    expect(page).toContain('<h1>Evaluation: pair</h1>');
    expect(page).toContain('on standard input.');
    expect(count(page, '>54.60<')).toBe(4);
    expect(count(page, '>6.3 %<')).toBe(2);
  });

  it('says where a page cannot be written', async () => {
    const path = join(await temporaryFolder(), 'nowhere', 'page.html');
    await expect(writeEvaluationReport(path, { task: 'languageModel', members: [] }, { model: 'm', data: 'd' })).rejects.toThrow(
      `Cannot write ${path}: its folder does not exist; make it first.`,
    );
  });
});

it('writes a report for each run of a pair', async () => {
  const folder = await temporaryFolder();
  for (const direction of ['forward', 'backward']) {
    await mkdir(join(folder, direction));
    await writeFile(join(folder, direction, 'model.json'), '{}');
    await writeFile(join(folder, direction, 'config.json'), '{"command":"finetune"}');
  }
  expect(await writeRunReports(folder)).toEqual([join(folder, 'forward/report.html'), join(folder, 'backward/report.html')]);
  expect(await readFile(join(folder, 'backward/report.html'), 'utf8')).toContain('<h1>Fine-tuning: backward</h1>');
  // What both answer together is a page of its own.
  await writeEvaluation(folder, singleLabelEvaluation(['a', 'b']));
  expect(await writeRunReports(folder)).toHaveLength(3);
  expect(await readFile(join(folder, 'report.html'), 'utf8')).toMatch(/<h1>Evaluation: [^]*<h2 id="confusion-title"/);
});
