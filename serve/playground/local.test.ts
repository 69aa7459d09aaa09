/**
 * The playground with a model in the browser, on onnxruntime-web in a real Chromium, which must answer as the server does. Without Chromium
 * these tests skip, see testSupport.ts. With `PLAYGROUND_SHOTS=folder` they leave pictures of what a person sees.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { writeTinyBundle } from '../../test/fixtures/tinyClassifier.ts';
import { addKey } from '../node/keysFile.ts';
import { startServer, type RunningServer } from '../node/server.ts';
import { type Answered, CHROMIUM, expectSame, launchChromium, PlaygroundPage } from './testSupport.ts';

const TEXT = 'The film was good and the story was funny, but the actor was boring. I love it more than the worst of them!';
const LONG = `${TEXT} `.repeat(20);
/** onnxruntime-web against onnxruntime-node. */
const TOLERANCE = 1e-4;

describe.skipIf(CHROMIUM === undefined)('a model in the browser', () => {
  let folder: string;
  let server: RunningServer;
  let browser: Browser;
  let playground: PlaygroundPage;
  /** What the server has answered. */
  const answered: string[] = [];
  /** Without the model's files, the last of which may be noted late. */
  const textsAnswered = () => answered.filter((line) => /classify|explain/.test(line));

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ulmfit-local-'));
    const sizes = { embedding: 12, hidden: 16, layers: 2, maxShardBytes: 4_000 };
    for (const name of ['one', 'damaged']) await writeTinyBundle(join(folder, name), { name, ...sizes });
    await writeTinyBundle(join(folder, 'pair'), { name: 'pair', ...sizes, task: 'multiLabel', backward: { hidden: 20 } });
    const bundle = process.env['PLAYGROUND_BUNDLE'] ?? join(folder, 'one');
    const bundles = [{ name: 'reviews', folder: bundle }, ...['pair', 'damaged'].map((name) => ({ folder: join(folder, name) }))];
    const logTo = new Writable({
      write: (line: Buffer, _encoding, done) => {
        answered.push(line.toString());
        done();
      },
    });
    server = await startServer(bundles, { port: 0, threads: 1, downloadable: true, logLevel: 'info', logTo });
    const shard = join(folder, 'damaged', 'forward-weights-01.bin');
    await writeFile(
      shard,
      (await readFile(shard)).map((byte, index) => (index === 100 ? byte ^ 1 : byte)),
    );
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser.close();
    await server.stop();
    await rm(folder, { recursive: true });
  });

  afterEach(() => playground.close());

  it.each(['reviews', 'pair'])('answers and explains as the server does, and asks nobody: %s', async (name) => {
    playground = await PlaygroundPage.open(browser, server.url);
    const { page, requests } = playground;
    await page.getByRole('combobox', { name: 'Model' }).selectOption(name);
    const model: unknown = await (await fetch(`${server.url}/v1/models/${name}`)).json();
    const texts = [TEXT, LONG];
    const wanted: Answered[] = [];
    for (const text of texts) wanted.push(await playground.answers(model, text));
    await playground.inBrowser().check();
    await playground.arrived();
    expect(requests.filter((url) => url.includes('/files/')).length).toBeGreaterThan(5);
    for (const list of [requests, answered]) list.splice(0);

    for (const [index, text] of texts.entries()) expectSame(await playground.answers(model, text), wanted[index], TOLERANCE);
    expect(wanted[1]?.predictions.length).toBeGreaterThan(name === 'reviews' ? 5 : 0);
    await playground.classify(LONG);
    await playground.eventually(() => page.locator('#timing').textContent()).toMatch(/ in \d+ ms/);
    await page.getByRole('button', { name: 'Find the words' }).click();
    await page.locator('#explanation').waitFor();
    expect(requests).toEqual([]);
    expect(textsAnswered()).toEqual([]);
    await playground.shoot(`local-${name}`);

    await playground.onServer().check();
    expect(await playground.status()).toBe('Texts go to the server again.');
    await playground.classify('A good film.');
    await playground.eventually(() => answered.length).toBeGreaterThan(0);
  });

  it('is refused when a file is damaged: the page says which, and asks the server again', async () => {
    playground = await PlaygroundPage.open(browser, server.url);
    await playground.page.getByRole('combobox', { name: 'Model' }).selectOption('damaged');
    await playground.inBrowser().check();
    await playground
      .eventually(playground.alert)
      .toMatch(/^The model could not be loaded into this browser, so texts go to the server\. forward-weights-01\.bin is damaged/);
    expect(await playground.onServer().isChecked()).toBe(true);
    expect(await playground.page.locator('#place-note').textContent()).toBe('');
    answered.splice(0);
    await playground.classify(TEXT);
    await playground.page.locator('#explanation').waitFor();
    expect(answered.length).toBeGreaterThan(0);
  });

  it('comes with the key that the server wants', async () => {
    const keysFile = join(folder, 'keys.json');
    const { key } = await addKey(keysFile, { scope: 'predict' });
    const guarded = await startServer(join(folder, 'one'), { port: 0, threads: 1, downloadable: true, keysFile });
    try {
      playground = await PlaygroundPage.open(browser, guarded.url);
      const { page, problems } = playground;
      await page.getByLabel('API key').fill(key);
      await page.getByRole('button', { name: 'Use it' }).click();
      await playground.inBrowser().check();
      await playground.arrived();
      expect(problems.splice(0)).toEqual([expect.stringContaining('401')]); // the browser's own note
    } finally {
      await guarded.stop();
    }
  });

  it('is not offered by a server that keeps its models', async () => {
    const keeping = await startServer(join(folder, 'one'), { port: 0, threads: 1 });
    try {
      playground = await PlaygroundPage.open(browser, keeping.url);
      expect(await playground.page.getByRole('radio').count()).toBe(0);
    } finally {
      await keeping.stop();
    }
  });
});
