/**
 * The playground with a model in the browser: a real Chromium runs bundles on onnxruntime-web and on the kernel, and must answer as the server
 * does. Without Chromium these tests skip, see testSupport.ts. With `PLAYGROUND_SHOTS=folder` they leave pictures of what a person sees.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { writeTinyBundle } from '../../test/fixtures/tinyClassifier.ts';
import { addKey } from '../node/keysFile.ts';
import { startServer, type RunningServer } from '../node/server.ts';
import type { Explanation, Model, Prediction } from './api.js';
import { CHROMIUM, lowContrast } from './testSupport.ts';

const SHOTS = process.env['PLAYGROUND_SHOTS'];
const TEXT = 'The film was good and the story was funny, but the actor was boring. I love it more than the worst of them!';
const LONG = `${TEXT} `.repeat(20);
/** onnxruntime-web against onnxruntime-node. */
const TOLERANCE = 1e-4;
/** Where much else runs on the machine, a moment takes longer. */
const eventually = (read: () => unknown) => expect.poll(read, { timeout: 60_000 });

/** What a text is answered with. */
interface Answered {
  readonly predictions: readonly Prediction[];
  readonly explanation: Explanation;
}

/** Asks for both by the page's own script, wherever that asks. Runs in the page. */
async function askInPage({ model, text }: { readonly model: Model; readonly text: string }): Promise<Answered> {
  const address = '/playground/api.js';
  const api = (await import(address)) as typeof import('./api.js');
  const { signal } = new AbortController();
  const found: Prediction[] = [];
  for await (const prediction of api.predictions(model, text, signal)) found.push(prediction);
  return { predictions: found, explanation: await api.explain(model, text, undefined, signal) };
}

/** An answer with its labels in one order: what is left of it is compared number by number. */
const inOrder = (value: unknown): unknown =>
  Array.isArray(value) && value.every((each) => typeof each === 'object' && each !== null && 'score' in each)
    ? value.toSorted((one: { label: string }, other: { label: string }) => (one.label < other.label ? -1 : 1))
    : value;

function expectSame(found: unknown, wanted: unknown, place = 'answer'): void {
  if (typeof wanted === 'number') expect([place, Math.abs((found as number) - wanted) < TOLERANCE]).toEqual([place, true]);
  else if (typeof wanted !== 'object' || wanted === null) expect([place, found]).toEqual([place, wanted]);
  else {
    const [one, other] = [inOrder(found) as Record<string, unknown>, inOrder(wanted) as Record<string, unknown>];
    expect(Object.keys(one)).toEqual(Object.keys(other));
    for (const key of Object.keys(other)) expectSame(one[key], other[key], `${place}.${key}`);
  }
}

describe.skipIf(CHROMIUM === undefined)('a model in the browser', () => {
  let folder: string;
  let server: RunningServer;
  let browser: Browser;
  let page: Page;
  /** What went wrong in the page: nothing may. */
  const problems: string[] = [];
  /** What the page and its worker asked, and what the server answered. */
  const requests: string[] = [];
  const answered: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ulmfit-local-'));
    const sizes = { embedding: 12, hidden: 16, layers: 2, maxShardBytes: 4_000 };
    for (const name of ['one', 'damaged']) await writeTinyBundle(join(folder, name), { name, ...sizes });
    await writeTinyBundle(join(folder, 'pair'), { name: 'pair', ...sizes, task: 'multiLabel', backward: { hidden: 20 } });
    const bundle = process.env['PLAYGROUND_BUNDLE'] ?? join(folder, 'one');
    const log = new Writable({
      write: (line: Buffer, _encoding, done) => {
        answered.push(line.toString());
        done();
      },
    });
    server = await startServer(
      [{ name: 'reviews', folder: bundle }, { folder: join(folder, 'pair') }, { folder: join(folder, 'damaged') }],
      {
        port: 0,
        threads: 1,
        downloadable: true,
        logLevel: 'info',
        logTo: log,
      },
    );
    const shard = join(folder, 'damaged', 'forward-weights-01.bin');
    await writeFile(
      shard,
      (await readFile(shard)).map((byte, index) => (index === 100 ? byte ^ 1 : byte)),
    );
    // Chromium's sandbox needs rights that a container does not give.
    browser = await chromium.launch({ executablePath: CHROMIUM ?? '', args: ['--no-sandbox'] });
  });

  afterAll(async () => {
    await browser.close();
    await server.stop();
    await rm(folder, { recursive: true });
  });

  afterEach(async () => {
    await page.context().close();
    expect(problems.splice(0)).toEqual([]);
  });

  async function open(url = server.url, options: Parameters<Browser['newContext']>[0] = {}): Promise<void> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    page = await context.newPage();
    page.setDefaultTimeout(60_000);
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
    page.on('pageerror', (error) => problems.push(String(error)));
    context.on('request', (request) => requests.push(request.url()));
    await page.goto(url);
    await page.locator('#card, #key-field').first().waitFor();
  }

  const shoot = async (name: string) => {
    if (SHOTS !== undefined) await page.screenshot({ path: join(SHOTS, `local-${name}.png`), fullPage: true });
  };

  const status = () => page.getByRole('status').textContent();
  const alert = () => page.getByRole('alert').textContent();
  const inBrowser = () => page.getByRole('radio', { name: 'in this browser' });
  const onServer = () => page.getByRole('radio', { name: 'on the server' });
  const arrived = () => eventually(status).toBe('The model runs in this browser now: texts stay on this machine.');
  const choose = (name: string) => page.getByRole('combobox', { name: 'Model' }).selectOption(name);
  const classify = async (text: string) => {
    await page.getByRole('textbox', { name: 'Text' }).fill(text);
    await page.getByRole('button', { name: 'Classify' }).click();
  };

  /** The model as the server describes it. */
  const described = async (name: string) => (await (await fetch(`${server.url}/v1/models/${name}`)).json()) as Model;

  it.each(['reviews', 'pair'])('answers and explains as the server does, and asks nobody: %s', async (name) => {
    await open();
    await choose(name);
    const model = await described(name);
    const texts = [TEXT, LONG];
    const wanted: Answered[] = [];
    for (const text of texts) wanted.push(await page.evaluate(askInPage, { model, text }));
    await inBrowser().check();
    await arrived();
    expect(requests.filter((url) => url.includes('/files/')).length).toBeGreaterThan(5);
    for (const list of [requests, answered]) list.splice(0);

    for (const [index, text] of texts.entries()) expectSame(await page.evaluate(askInPage, { model, text }), wanted[index]);
    expect(wanted[1]?.predictions.length).toBeGreaterThan(name === 'reviews' ? 5 : 0);
    await classify(LONG);
    await eventually(() => page.locator('#timing').textContent()).toMatch(/ in \d+ ms/);
    await page.getByRole('button', { name: 'Find the words' }).click();
    await page.locator('#explanation').waitFor();
    expect(requests.filter((url) => !url.endsWith('/playground/api.js'))).toEqual([]);
    expect(answered).toEqual([]);
    await shoot(name);

    await onServer().check();
    expect(await status()).toBe('Texts go to the server again.');
    await classify('A good film.');
    await eventually(() => answered.length).toBeGreaterThan(0);
  });

  it('is chosen by the keyboard alone, and takes other models along', async () => {
    await open();
    await page.getByRole('combobox', { name: 'Model' }).focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowRight');
    expect(await inBrowser().evaluate((radio) => radio === document.activeElement)).toBe(true);
    await arrived();
    expect(await page.locator('#place-note').textContent()).toBe('Texts stay on this machine.');
    await choose('pair');
    await arrived();
    expect(page.workers()).toHaveLength(1);
    answered.splice(0);
    await classify(TEXT);
    await eventually(status).toContain('What applies');
    expect(answered).toEqual([]);
  });

  it('tells how far it is, takes no text meanwhile, and can be called off', async () => {
    await open();
    const gate = Promise.withResolvers<void>();
    await page.context().route('**/forward-weights-01.bin', async (route) => {
      await gate.promise;
      await route.continue().catch(() => {});
    });
    await inBrowser().check();
    await eventually(() => page.locator('#place-note').textContent()).toMatch(/^1\d\.\d of 1\d\.\d MiB$/);
    await eventually(status).toMatch(/^Loading the model into this browser: \d+\.\d of 1\d\.\d MiB\.$/);
    expect(await page.getByRole('progressbar', { name: 'Loading the model' }).isVisible()).toBe(true);
    await shoot('loading');
    answered.splice(0);
    await classify(TEXT);
    expect(await alert()).toBe('The model is still being loaded into this browser. Ask when it is there, or choose the server.');
    expect(answered.filter((line) => line.includes('classify'))).toEqual([]);
    await onServer().check();
    expect(await status()).toBe('Texts go to the server again.');
    expect(page.workers()).toEqual([]);
    gate.resolve();
    await classify(TEXT);
    await page.locator('#explanation').waitFor();
    expect(await alert()).toBe('');
  });

  it('is refused when a file is damaged: one sentence, and the server is asked again', async () => {
    await open();
    await choose('damaged');
    await inBrowser().check();
    await eventually(alert).toMatch(
      /^The model could not be loaded into this browser, so texts go to the server\. forward-weights-01\.bin is damaged/,
    );
    expect(await onServer().isChecked()).toBe(true);
    expect(await page.locator('#place-note').textContent()).toBe('');
    answered.splice(0);
    await classify(TEXT);
    await page.locator('#explanation').waitFor();
    expect(answered.length).toBeGreaterThan(0);
  });

  it('says so when it stops, sends nothing by itself, and the server is asked from then on', async () => {
    await open();
    await inBrowser().check();
    await arrived();
    answered.splice(0);
    await page.workers()[0]?.evaluate(() => void setTimeout(() => Promise.reject(new Error('not this one'))));
    await page.workers()[0]?.evaluate(() => {
      setTimeout(() => {
        throw new RangeError('out of memory');
      });
    });
    await eventually(alert).toMatch(/^The model stopped in this browser, so texts go to the server again\. .*out of memory\.$/);
    expect(await onServer().isChecked()).toBe(true);
    expect(answered).toEqual([]);
    await classify(TEXT);
    await page.locator('#explanation').waitFor();
    expect(answered.length).toBeGreaterThan(0);
    problems.splice(0); // the browser's own notes
  });

  it.each([
    ['light', { width: 1280, height: 900 }],
    ['dark', { width: 375, height: 740 }],
  ] as const)('has contrast, room and targets to hit in the %s scheme', async (colorScheme, viewport) => {
    await open(server.url, { colorScheme, viewport, isMobile: viewport.width < 400, hasTouch: viewport.width < 400 });
    await inBrowser().check();
    await arrived();
    await classify(TEXT);
    await page.locator('#explanation').waitFor();
    expect(await page.evaluate(lowContrast)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(viewport.width);
    const heights = await page.locator('#place label').evaluateAll((labels) => labels.map((label) => label.getBoundingClientRect().height));
    expect(Math.min(...heights)).toBeGreaterThanOrEqual(viewport.width < 400 ? 44 : 24);
    await shoot(colorScheme);
  });

  it('comes with the key that the server wants', async () => {
    const keysFile = join(folder, 'keys.json');
    const { key } = await addKey(keysFile, { scope: 'predict' });
    const guarded = await startServer(join(folder, 'one'), { port: 0, threads: 1, downloadable: true, keysFile });
    try {
      await open(guarded.url);
      await page.getByLabel('API key').fill(key);
      await page.getByRole('button', { name: 'Use it' }).click();
      await inBrowser().check();
      await arrived();
      problems.splice(0); // the browser's own note of the first 401
    } finally {
      await guarded.stop();
    }
  });

  it('is not offered by a server that keeps its models', async () => {
    const keeping = await startServer(join(folder, 'one'), { port: 0, threads: 1 });
    try {
      await open(keeping.url);
      await page.locator('#card').waitFor();
      expect(await page.getByRole('radio').count()).toBe(0);
      expect((await fetch(`${keeping.url}/playground/localWorker.js`)).status).toBe(404);
    } finally {
      await keeping.stop();
    }
  });
});
