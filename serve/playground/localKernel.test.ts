/**
 * A model in the playground's browser on the kernel: what an edge deployment with 8-bit weights gives away, served here by the same app on
 * Node. The kernel gives the same bits on every engine, so the browser must answer as Node does. Without Chromium these tests skip.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { serve, type ServerType } from '@hono/node-server';
import type { Browser } from 'playwright-core';
import * as v from 'valibot';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { createApp } from '../app.ts';
import { Classifier } from '../classifier.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { modelFilesSchema } from '../modelFiles.ts';
import { fixedModels } from '../modelRegistry.ts';
import { filesIn } from '../node/modelFiles.ts';
import { readPlaygroundFile } from '../node/playgroundFiles.ts';
import { CHROMIUM, expectSame, launchChromium, lowContrast, PlaygroundPage } from './testSupport.ts';
import { fillAndHash } from '../../workers/browser/fillAndHash.ts';
import { loadKernelModule } from '../../workers/kernel/parity.ts';
import { prepareAssets } from '../../workers/prepare.ts';
import { DOWNLOADS_FILE } from '../../workers/src/names.ts';
import { loadBundleFrom } from '../../workers/src/bundleLoader.ts';
import { writeTinyBundle } from '../../test/fixtures/tinyClassifier.ts';

const TEXT = 'The film was good and the story was funny, but the actor was boring. I love it more than the worst of them!';
const LONG = `${TEXT} `.repeat(20);
/** Of the same bits: the head is computed in double precision, and softmax by each engine's own exp. */
const TOLERANCE = 1e-9;

describe.skipIf(CHROMIUM === undefined)('a model in the browser, on the kernel', () => {
  let folder: string;
  let classifiers: Classifier[];
  let server: ServerType;
  let url: string;
  let browser: Browser;
  let playground: PlaygroundPage;
  /** Addresses that the server has answered. */
  const answered: string[] = [];
  /** Without the model's files, the last of which may be noted late. */
  const textsAnswered = () => answered.filter((line) => /classify|explain/.test(line));

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ulmfit-kernel-'));
    const sizes = { embedding: 24, hidden: 32, layers: 2 };
    await writeTinyBundle(join(folder, 'one'), { name: 'one', ...sizes });
    await writeTinyBundle(join(folder, 'pair'), { name: 'pair', ...sizes, backward: { hidden: 20 } });
    classifiers = [];
    for (const name of ['one', 'pair']) {
      await prepareAssets(join(folder, name), assetsOf(name), { int8: true, downloadable: true });
      classifiers.push(await onKernel(assetsOf(name)));
    }
    const lists = new Map(
      await Promise.all(
        ['one', 'pair'].map(async (name) => {
          const list: unknown = JSON.parse(await readFile(join(assetsOf(name), DOWNLOADS_FILE), 'utf8'));
          return [name, filesIn(assetsOf(name), v.parse(modelFilesSchema, list).files)] as const;
        }),
      ),
    );
    const app = createApp({
      models: fixedModels(classifiers, ({ bundle }) => lists.get(bundle.name)),
      playground: readPlaygroundFile,
      onRequest: ({ route }) => answered.push(route),
    });
    server = await new Promise<ServerType>((resolve) => {
      const started: ServerType = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => {
        url = `http://127.0.0.1:${port}/`;
        resolve(started);
      });
    });
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser.close();
    await new Promise((resolve) => server.close(resolve));
    await Promise.all(classifiers.map((classifier) => classifier.dispose()));
    await rm(folder, { recursive: true });
  });

  afterEach(() => playground.close());

  const assetsOf = (name: string) => join(folder, `${name}-assets`);

  it.each(['one', 'pair'])('answers and explains as Node does, and asks nobody: %s', async (name) => {
    playground = await PlaygroundPage.open(browser, url);
    const { page, requests } = playground;
    await page.getByRole('combobox', { name: 'Model' }).selectOption(name);
    const model: unknown = await (await fetch(`${url}v1/models/${name}`)).json();
    const wanted = await playground.answers(model, LONG);
    await playground.inBrowser().check();
    await playground.arrived();
    expect(requests.filter((address) => address.endsWith('kernel-00.bin')).length).toBe(name === 'one' ? 1 : 2);
    // onnxruntime has nothing to do here.
    expect(requests.filter((address) => /onnx|ort-/.test(address))).toEqual([]);
    for (const list of [requests, answered]) list.splice(0);
    expectSame(await playground.answers(model, LONG), wanted, TOLERANCE);
    await playground.classify(TEXT);
    await page.getByText(/ in \d+ ms/).waitFor();
    expect([requests, textsAnswered()]).toEqual([[], []]);
  });

  it('is chosen by the keyboard alone, and takes other models along', async () => {
    playground = await PlaygroundPage.open(browser, url);
    const { page } = playground;
    await page.getByRole('combobox', { name: 'Model' }).focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowRight');
    expect(await playground.inBrowser().evaluate((radio) => radio === radio.ownerDocument.activeElement)).toBe(true);
    await playground.arrived();
    expect(await page.locator('#place-note').textContent()).toBe('Texts stay on this machine.');
    await page.getByRole('combobox', { name: 'Model' }).selectOption('pair');
    await playground.arrived();
    expect(page.workers()).toHaveLength(1);
    answered.splice(0);
    await playground.classify(TEXT);
    await playground.eventually(playground.status).toContain(', with ');
    expect(textsAnswered()).toEqual([]);
  });

  it('tells how far it is, takes no text meanwhile, and can be called off', async () => {
    playground = await PlaygroundPage.open(browser, url);
    const { page } = playground;
    const gate = Promise.withResolvers<void>();
    await page.context().route('**/forward-kernel-00.bin', async (route) => {
      await gate.promise;
      await route.continue().catch(() => {});
    });
    await playground.inBrowser().check();
    await playground.eventually(() => page.locator('#place-note').textContent()).toMatch(/^0\.0 of 0\.\d MiB$/);
    expect(await page.getByRole('progressbar', { name: 'Loading the model' }).isVisible()).toBe(true);
    await playground.shoot('local-loading');
    await playground.classify(TEXT);
    expect(await playground.alert()).toBe('The model is still being loaded into this browser. Ask when it is there, or choose the server.');
    expect(textsAnswered()).toEqual([]);
    await playground.onServer().check();
    expect(await playground.status()).toBe('Texts go to the server again.');
    await playground.eventually(() => page.workers().length).toBe(0);
    gate.resolve();
    await playground.classify(TEXT);
    await page.locator('#explanation').waitFor();
    expect(await playground.alert()).toBe('');
  });

  it('says so when it stops, sends nothing by itself, and the server is asked from then on', async () => {
    playground = await PlaygroundPage.open(browser, url);
    const { page, problems } = playground;
    await playground.inBrowser().check();
    await playground.arrived();
    answered.splice(0);
    await page.workers()[0]?.evaluate(() => {
      setTimeout(() => {
        throw new RangeError('out of memory');
      });
    });
    await playground
      .eventually(playground.alert)
      .toMatch(/^The model stopped in this browser, so texts go to the server again\. .*out of memory\.$/);
    expect(await playground.onServer().isChecked()).toBe(true);
    expect(textsAnswered()).toEqual([]);
    await playground.classify(TEXT);
    await page.locator('#explanation').waitFor();
    expect(answered.length).toBeGreaterThan(0);
    problems.splice(0); // the browser's own note of the error
  });

  it.each([
    ['light', { width: 375, height: 740 }],
    ['dark', { width: 1280, height: 900 }],
  ] as const)('has contrast, room, and targets to hit in the %s scheme', async (colorScheme, viewport) => {
    const isPhone = viewport.width < 400;
    playground = await PlaygroundPage.open(browser, url, { colorScheme, viewport, isMobile: isPhone, hasTouch: isPhone });
    const { page } = playground;
    await playground.inBrowser().check();
    await playground.arrived();
    await playground.classify(TEXT);
    await page.locator('#explanation').waitFor();
    expect(await page.evaluate(lowContrast)).toEqual([]);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(viewport.width);
    const heights = await page.locator('#place label').evaluateAll((labels) => labels.map((label) => label.getBoundingClientRect().height));
    expect(Math.min(...heights)).toBeGreaterThanOrEqual(isPhone ? 44 : 24);
    await playground.shoot(`local-${colorScheme}`);
  });
});

/** A bundle that was packed for the kernel, on Node. */
async function onKernel(folder: string): Promise<Classifier> {
  const module = await loadKernelModule();
  const open = async (file: string) => new Response(await readFile(join(folder, file)));
  const loaded = await loadBundleFrom({
    open,
    find: async (file) => (existsSync(join(folder, file)) ? open(file) : undefined),
    fill: fillAndHash,
    kernelModule: () => module,
    createSession: () => Promise.reject(new Error('The kernel needs no onnxruntime.')),
  });
  return new Classifier(loaded, DEFAULT_LIMITS);
}
