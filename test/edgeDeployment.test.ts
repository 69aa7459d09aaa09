/** A bundle on its way to the edge and there, in the platform's own runtime on loopback, asked by a real HTTP client. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { readBundle, readParityDocuments } from '../export/bundleFolder.ts';
import type { LabelScore } from '../serve/schema.ts';
import { prepareFolder } from '../workers/deploy/buildWorker.ts';
import { startLocalWorker, type LocalWorker } from '../workers/deploy/localWorker.ts';
import { smokeTest } from '../workers/deploy/smokeTest.ts';
import { whyNoWorkerd } from '../workers/deploy/testing/workerd.ts';
import { Wrangler } from '../workers/deploy/wrangler.ts';
import { ulmfit } from './cli/commandLine.ts';
import { writeTinyBundle } from './fixtures/tinyClassifier.ts';

const reason = whyNoWorkerd();
if (reason !== undefined) console.warn(`Skipped: ${reason}`);

/** Two builds and starts of a Worker, on a machine that may be busy. */
const TIMEOUT = 240_000;

let folder = '';
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-edge-'));
  await writeTinyBundle(at('bundle'), { name: 'Tiny_Reviews', version: '7' });
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe.skipIf(reason !== undefined)('ulmfit deploy --dry-run', () => {
  it('builds, measures and asks the Worker, keys and all, without an account', { timeout: TIMEOUT }, async () => {
    expect((await ulmfit(['keys', 'add', at('keys.json')])).code).toBe(0);
    const options = ['--sessions', '--jobs', '--keys', at('keys.json'), '--rate', '6000'];
    const { code, stdout, stderr } = await ulmfit(['deploy', at('bundle'), '--dry-run', '--json', ...options]);
    expect(code, stderr).toBe(0);
    const report = JSON.parse(stdout) as {
      name: string;
      findings: { what: string; isWithin: boolean }[];
      local: { figures: { documents: number }; largest: number };
      released?: unknown;
    };
    expect(report.name).toBe('tiny-reviews');
    expect(report.findings.map(({ what, isWithin }) => [what, isWithin])).toEqual([
      ['code', true],
      ['model', true],
      ['start-up', true],
    ]);
    expect(report.local.figures.documents).toBeGreaterThan(3);
    expect(report.local.largest).toBeLessThan(1e-4);
    expect(report.released).toBeUndefined();
  });
});

describe('ulmfit deploy', () => {
  const fails = async (args: readonly string[], environment: Record<string, string> = {}) => {
    const { code, stderr } = await ulmfit(['deploy', ...args], { environment });
    return { code, stderr };
  };

  it('says what to do where nobody is logged in', async () => {
    const nobody = { HOME: at('home'), XDG_CONFIG_HOME: at('home'), CLOUDFLARE_API_TOKEN: '', CLOUDFLARE_API_KEY: '' };
    const { code, stderr } = await fails([at('bundle')], nobody);
    expect(code).toBe(2);
    expect(stderr).toContain('wrangler is not logged in to Cloudflare. Run `npx wrangler login`');
  });

  it('refuses a bundle whose parity documents were changed, or are missing, and a name that is none', async () => {
    await writeTinyBundle(at('changed'), {});
    const parity = await readFile(at('changed/parity.json'), 'utf8');
    await writeFile(at('changed/parity.json'), parity.replace(/0\.\d/, '0.9'));
    expect(await fails([at('changed'), '--dry-run'])).toMatchObject({ code: 2, stderr: expect.stringContaining('parity.json is damaged') });
    await rm(at('changed/parity.json'));
    expect(await fails([at('changed'), '--dry-run'])).toMatchObject({ code: 2, stderr: expect.stringContaining('parity.json is missing') });
    expect(await fails([at('bundle'), '--dry-run', '--name', 'Tiny'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('A Worker cannot have the name "Tiny"'),
    });
  });
});

describe.skipIf(reason !== undefined)('a Worker on this machine', () => {
  let worker: LocalWorker;
  const start = (port?: number) => startLocalWorker(Wrangler.find(), { folder: at('deployed'), port });

  beforeAll(async () => {
    await prepareFolder(at('bundle'), { name: 'tiny', sessions: true, jobs: true, int8: false }, at('deployed'));
    worker = await start();
  }, TIMEOUT);

  afterAll(() => worker?.stop());

  const post = (path: string, body: unknown) =>
    fetch(worker.url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

  it('is told from one with other answers', async () => {
    const content = await readBundle(at('bundle'));
    const documents = await readParityDocuments(content);
    const options = { url: worker.url, bundle: content.bundle, documents, tolerance: 1e-4 };
    expect((await smokeTest(options)).figures).toMatchObject({ documents: documents.length, labelDisagreements: 0 });
    const [first, ...others] = documents;
    if (first === undefined) throw new Error('A bundle has parity documents.');
    const wrong = { ...first, answer: first.answer.toReversed() };
    await expect(smokeTest({ ...options, documents: [wrong, ...others] })).rejects.toThrow('does not answer as the trainer did');
    const later = { ...content.bundle, version: '8' };
    await expect(smokeTest({ ...options, bundle: later })).rejects.toThrow('not version 8');
  });

  it('takes a job from the command line to its results', { timeout: TIMEOUT }, async () => {
    const texts = Array.from({ length: 30 }, (_, index) => `The film was ${index % 2 === 0 ? 'good' : 'boring'}, ${index} times.`);
    await writeFile(at('texts.jsonl'), texts.map((text) => `${JSON.stringify({ text })}\n`).join(''));
    const submitted = await ulmfit(['jobs', 'submit', at('texts.jsonl'), '--url', worker.url, '--wait']);
    expect(submitted.code, submitted.stderr).toBe(0);
    const id = submitted.stdout.trim();
    expect((await ulmfit(['jobs', 'status', id, '--url', worker.url])).stdout).toBe('finished: 30 of 30 lines (100 %)\n');
    expect((await ulmfit(['jobs', 'fetch', id, '--url', worker.url, '--out', at('answers.jsonl')])).code).toBe(0);
    const answers = (await readFile(at('answers.jsonl'), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { line: number; answer: LabelScore[] });
    expect(answers.map(({ line }) => line)).toEqual(texts.map((_, index) => index + 1));
    const alone = (await (await post('/v1/classify', { inputs: texts[7] })).json()) as LabelScore[];
    expect(answers[7]?.answer[0]).toMatchObject({ label: alone[0]?.label, score: expect.closeTo(alone[0]?.score ?? 0, 4) });
    expect(await ulmfit(['jobs', 'status', 'nothing', '--url', worker.url])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('There is no such job'),
    });
  });

  it('goes on with a session after it was stopped and started again', { timeout: TIMEOUT }, async () => {
    const { id } = (await (await post('/v1/sessions', {})).json()) as { id: string };
    const text = 'The film was good, but the story was boring and the actor was the worst.';
    await post(`/v1/sessions/${id}/text`, { text: text.slice(0, 30), sequence: 1 });
    const { port } = new URL(worker.url);
    await worker.stop();
    worker = await start(Number(port));
    const resumed = (await (await post(`/v1/sessions/${id}/text`, { text: text.slice(30), sequence: 2 })).json()) as {
      answer: LabelScore[];
    };
    const whole = (await (await post('/v1/classify', { inputs: text })).json()) as LabelScore[];
    expect(resumed.answer.map(({ label }) => label)).toEqual(whole.map(({ label }) => label));
    for (const [index, { score }] of whole.entries()) expect(resumed.answer[index]?.score).toBeCloseTo(score, 4);
  });
});
