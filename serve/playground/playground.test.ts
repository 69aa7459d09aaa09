/**
 * The playground in a real browser: Chromium as the system has it, without a window. `CHROMIUM` names another one; without any, these tests
 * skip. With `PLAYGROUND_SHOTS=folder` they leave pictures of what a person sees.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { writeTinyBundle } from '../../test/fixtures/tinyClassifier.ts';
import { startServer, type RunningServer } from '../node/server.ts';
import { CHROMIUM, launchChromium, lowContrast } from './testSupport.ts';

const SHOTS = process.env['PLAYGROUND_SHOTS'];
const TEXT = 'The film was good and the story was funny, but the actor was boring. I love it more than the worst of them!';
/** Where much else runs on the machine, a moment takes longer. */
const eventually = (read: () => unknown) => expect.poll(read, { timeout: 20_000 });
const LONG = `${TEXT} `.repeat(20);

describe.skipIf(CHROMIUM === undefined)('the playground in a browser', () => {
  let folder: string;
  let server: RunningServer;
  let browser: Browser;
  let page: Page;
  /** What went wrong in the page: nothing may. */
  const problems: string[] = [];
  const requests: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ulmfit-playground-'));
    await writeTinyBundle(join(folder, 'one'), { name: 'reviews', embedding: 12, hidden: 16, layers: 2 });
    await writeTinyBundle(join(folder, 'pair'), { name: 'pair', embedding: 8, hidden: 8, layers: 1, backward: {} });
    await writeTinyBundle(join(folder, 'number'), { name: 'stars', embedding: 8, hidden: 8, layers: 1, task: 'regression', range: [1, 5] });
    const bundle = process.env['PLAYGROUND_BUNDLE'] ?? join(folder, 'one');
    server = await startServer([{ folder: bundle }, { folder: join(folder, 'pair') }, { folder: join(folder, 'number') }], {
      port: 0,
      threads: 1,
      logLevel: 'silent',
    });
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser.close();
    await server.stop();
    await rm(folder, { recursive: true });
  });

  afterEach(async () => {
    await page.context().close();
    expect(problems.splice(0)).toEqual([]);
    expect(requests.splice(0).filter((url) => !url.startsWith(server.url))).toEqual([]);
  });

  async function open(options: Parameters<Browser['newContext']>[0] = {}): Promise<void> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    page = await context.newPage();
    page.setDefaultTimeout(20_000);
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('request', (request) => requests.push(request.url()));
    await page.goto(server.url);
    await page.getByRole('combobox', { name: 'Model' }).waitFor();
  }

  const shoot = async (name: string) => {
    if (SHOTS !== undefined) await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
  };

  const classify = async (text: string) => {
    await page.getByRole('textbox', { name: 'Text' }).fill(text);
    await page.getByRole('button', { name: 'Classify' }).click();
  };

  /** The labels and what is written beside them. */
  const shownScores = async () => page.locator('#classes li').evaluateAll((rows) => rows.map((row) => row.textContent));

  it('shows the classes that the server answers, and the words that moved the answer', async () => {
    await open();
    await classify(TEXT);
    await page.locator('#explanation').waitFor();
    const response = await fetch(`${server.url}/v1/classify`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: TEXT }),
    });
    const answer = (await response.json()) as { label: string; score: number }[];
    const written = (await shownScores()).toSorted();
    expect(written).toEqual(answer.map(({ label, score }) => `${label}${(100 * score).toFixed(1)} %`).toSorted());
    expect(await page.getByRole('status').textContent()).toContain(answer[0]?.label);
    expect(await page.locator('#passage').textContent()).toBe(TEXT);
    expect(await page.locator('#passage mark').count()).toBeGreaterThan(2);
    const rows = page.getByRole('table').getByRole('row');
    expect(await rows.count()).toBeGreaterThan(3);
    // A text of one chunk has its curve word by word.
    expect((await page.locator('#curve polyline').first().getAttribute('points'))?.split(' ').length).toBeGreaterThan(10);
    expect(await rows.nth(1).textContent()).toMatch(/[+−]\d+\.\d$/);
    await shoot('desktop');
    await page.getByRole('combobox', { name: 'Explain' }).selectOption({ index: 2 });
    await eventually(() => page.locator('#influence-head').textContent()).toContain('Influence on “');
  });

  it('draws the curve chunk by chunk while a long text is read, and explains it when asked', async () => {
    await open();
    await classify(LONG);
    await eventually(() => page.locator('#curve circle').count()).toBeGreaterThan(1);
    await expect
      .poll(() => page.locator('#timing').textContent())
      .toMatch(/\d+ tokens in \d+ ms; the first prediction came after \d+ ms\./);
    const points = (await page.locator('#curve polyline').first().getAttribute('points'))?.split(' ') ?? [];
    expect(points.length).toBeGreaterThan(5);
    expect(await page.getByRole('img', { name: 'While it was read' }).count()).toBe(1);
    expect(await page.locator('#curve-text').textContent()).toMatch(/after each chunk: (\d+\.\d %(, )?){6,}\./);
    await page.getByRole('button', { name: 'Find the words' }).click();
    await page.locator('#explanation').waitFor();
    expect(await page.locator('#legend').textContent()).toMatch(/Tried were the \d+ of \d+ words/);
    await shoot('desktop-long');
  });

  it('is all there by the keyboard alone, with focus to be seen', async () => {
    await open();
    const focused = () =>
      page.evaluate(() => {
        const element = document.activeElement;
        const outlined = element === null ? '' : getComputedStyle(element).outlineStyle;
        return `${element?.id ?? ''} ${outlined}`;
      });
    const order: string[] = [];
    for (let presses = 0; presses < 5; presses++) {
      await page.keyboard.press('Tab');
      order.push(await focused());
    }
    expect(order).toEqual(['model', 'text', 'run', 'open', ''].map((id) => (id === '' ? ' solid' : `${id} solid`)));
    await page.keyboard.press('Enter');
    await page.getByText('Answers with').waitFor(); // the model card is open
    for (let presses = 0; presses < 3; presses++) await page.keyboard.press('Shift+Tab');
    await page.keyboard.type('A good film.');
    await page.keyboard.press('Control+Enter');
    await page.locator('#explanation').waitFor();
    expect((await shownScores()).length).toBeGreaterThan(1);
    await shoot('card');
  });

  it('has a name for every control, one main heading, and landmarks', async () => {
    await open();
    await classify(TEXT);
    await page.locator('#explanation').waitFor();
    const nameless = await page.locator('button:visible, input:visible, select:visible, textarea:visible').evaluateAll((controls) =>
      controls
        .filter((control) => {
          const labels = (control as HTMLInputElement).labels;
          return (labels?.length ?? 0) === 0 && (control.textContent ?? '').trim() === '' && !control.hasAttribute('aria-label');
        })
        .map(({ id }) => id),
    );
    expect(nameless).toEqual([]);
    expect(await page.getByRole('heading', { level: 1 }).count()).toBe(1);
    for (const role of ['banner', 'main'] as const) expect(await page.getByRole(role).count()).toBe(1);
    for (const name of ['Answer', 'The words that moved it']) expect(await page.getByRole('region', { name }).count()).toBe(1);
    expect(await page.locator('html').getAttribute('lang')).toBe('en');
    const ids = await page.locator('[id]').evaluateAll((elements) => elements.map(({ id }) => id));
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(['light', 'dark'] as const)('has enough contrast in the %s scheme', async (colorScheme) => {
    await open({ colorScheme });
    await classify(TEXT);
    await page.locator('#explanation').waitFor();
    expect(await page.evaluate(lowContrast)).toEqual([]);
    if (colorScheme === 'dark') await shoot('dark');
  });

  it('fits a phone without scrolling sideways, with targets that a finger can hit', async () => {
    await open({ viewport: { width: 375, height: 740 }, isMobile: true, hasTouch: true });
    await classify(TEXT);
    await page.locator('#explanation').waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(375);
    const heights = await page
      .locator('button:visible')
      .evaluateAll((buttons) => buttons.map((button) => button.getBoundingClientRect().height));
    expect(Math.min(...heights)).toBeGreaterThanOrEqual(44);
    await shoot('phone');
  });

  it('reads a file, chosen or dropped, and refuses what is no text', async () => {
    await open();
    const path = join(folder, 'review.txt');
    await writeFile(path, 'A funny story.');
    await page.locator('#file').setInputFiles(path);
    await page.locator('#results').waitFor();
    expect(await page.getByRole('textbox', { name: 'Text' }).inputValue()).toBe('A funny story.');
    const drop = (content: string, name: string) =>
      page.locator('#drop').evaluate(
        (target, [body = '', fileName = '']) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([body], fileName));
          target.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
        },
        [content, name],
      );
    await drop('The worst plot.', 'dropped.txt');
    await eventually(() => page.getByRole('textbox', { name: 'Text' }).inputValue()).toBe('The worst plot.');
    await drop('PNG\0', 'picture.png');
    await eventually(() => page.getByRole('alert').textContent()).toBe('picture.png is not a text file.');
  });

  it('asks the model that is chosen: a pair, which answers at the end, and one with a number', async () => {
    await open();
    await page.getByRole('combobox', { name: 'Model' }).selectOption('pair');
    await classify(TEXT);
    await eventually(() => page.getByRole('status').textContent()).toContain(' %');
    expect(await page.locator('#curve-section').isVisible()).toBe(false);
    await page.getByRole('button', { name: 'Find the words' }).click();
    await eventually(() => page.locator('#legend').textContent()).toContain('Two models answer together');
    await page.getByRole('combobox', { name: 'Model' }).selectOption('stars');
    await classify(LONG);
    await eventually(() => page.getByRole('status').textContent()).toMatch(/^The answer is [1-5]/);
    await shoot('number');
  });

  it('says what is wrong, in one sentence, and takes the next text', async () => {
    await open();
    await page.getByRole('button', { name: 'Classify' }).click();
    expect(await page.getByRole('alert').textContent()).toBe('There is no text yet. Type or paste one.');
    await page.route('**/classify/stream', (route) => route.abort());
    await classify(TEXT);
    await eventually(() => page.getByRole('alert').textContent()).toBe('The server cannot be reached. Is it still running?');
    await page.unroute('**/classify/stream');
    problems.splice(0); // the browser's own note that the request failed
    await classify(TEXT);
    await page.locator('#explanation').waitFor();
    expect(await page.getByRole('alert').textContent()).toBe('');
  });
});
