/** What the tests of the playground in a real browser share. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';

/** Chromium, as the system has it or as the environment's CHROMIUM names it. */
export const CHROMIUM = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  (path) => path !== undefined && existsSync(path),
);
if (CHROMIUM === undefined)
  console.warn('There is no Chromium on this machine: the tests of the playground skip. On Debian: apt-get install chromium');

/** Chromium's sandbox needs rights that a container does not give. */
export const launchChromium = (): Promise<Browser> => chromium.launch({ executablePath: CHROMIUM ?? '', args: ['--no-sandbox'] });

const SHOTS = process.env['PLAYGROUND_SHOTS'];
/** Where much else runs on the machine, a moment takes longer. */
const PATIENCE = 60_000;

/** What a text is answered with: the prediction after each chunk, and the explanation. */
export interface Answered {
  readonly predictions: readonly unknown[];
  readonly explanation: unknown;
}

/** The playground in a browser, as a person finds it who may choose where texts are read. */
export class PlaygroundPage {
  readonly page: Page;
  /** What went wrong in the page: nothing may. */
  readonly problems: string[] = [];
  /** What the page and its worker have asked. */
  readonly requests: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.setDefaultTimeout(PATIENCE);
    page.on('console', (message) => message.type() === 'error' && this.problems.push(message.text()));
    page.on('pageerror', (error) => this.problems.push(String(error)));
    page.context().on('request', (request) => this.requests.push(request.url()));
  }

  static async open(browser: Browser, url: string, options: Parameters<Browser['newContext']>[0] = {}): Promise<PlaygroundPage> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const opened = new PlaygroundPage(await context.newPage());
    await opened.page.goto(url);
    await opened.page.locator('#card:visible, #key-field:visible').waitFor();
    return opened;
  }

  readonly status = () => this.page.getByRole('status').textContent();
  readonly alert = () => this.page.getByRole('alert').textContent();
  readonly inBrowser = () => this.page.getByRole('radio', { name: 'in this browser' });
  readonly onServer = () => this.page.getByRole('radio', { name: 'on the server' });

  eventually(read: () => unknown) {
    return expect.poll(read, { timeout: PATIENCE });
  }

  /** Waits until the model is in the browser. */
  arrived(): Promise<void> {
    return this.eventually(this.status).toBe('The model runs in this browser now: texts stay on this machine.');
  }

  async classify(text: string): Promise<void> {
    await this.page.getByRole('textbox', { name: 'Text' }).fill(text);
    await this.page.getByRole('button', { name: 'Classify' }).click();
  }

  /** Asks with the page's own script, wherever that asks. */
  async answers(model: unknown, text: string): Promise<Answered> {
    const script = await this.page.evaluateHandle<typeof import('./api.js')>("import('/playground/api.js')");
    return script.evaluate(
      async (api, given) => {
        const { signal } = new AbortController();
        const described = given.model as import('./api.js').Model;
        const predictions: unknown[] = [];
        for await (const prediction of api.predictions(described, given.text, signal)) predictions.push(prediction);
        return { predictions, explanation: await api.explain(described, given.text, undefined, signal) };
      },
      { model, text },
    );
  }

  async shoot(name: string): Promise<void> {
    if (SHOTS !== undefined) await this.page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
  }

  async close(): Promise<void> {
    await this.page.context().close();
    expect(this.problems).toEqual([]);
  }
}

/** Two answers are the same but for the last digits of their numbers; labels with scores may have another order. */
export function expectSame(found: unknown, wanted: unknown, tolerance: number, place = 'answer'): void {
  if (typeof wanted === 'number') expect([place, Math.abs((found as number) - wanted) < tolerance]).toEqual([place, true]);
  else if (typeof wanted !== 'object' || wanted === null) expect([place, found]).toEqual([place, wanted]);
  else {
    const [one, other] = [byLabel(found), byLabel(wanted)];
    expect([place, Object.keys(one)]).toEqual([place, Object.keys(other)]);
    for (const key of Object.keys(other)) expectSame(one[key], other[key], tolerance, `${place}.${key}`);
  }
}

const byLabel = (value: unknown): Readonly<Record<string, unknown>> =>
  (Array.isArray(value) && value.every((each) => typeof each === 'object' && each !== null && 'score' in each)
    ? value.toSorted((one: { label: string }, other: { label: string }) => (one.label < other.label ? -1 : 1))
    : value) as Readonly<Record<string, unknown>>;

/** Texts with less contrast to what is behind them than WCAG 2.2 asks for (4.5 to 1). Runs in the page. */
export function lowContrast(): string[] {
  type Colour = [red: number, green: number, blue: number, alpha: number];
  const parse = (text: string): Colour => {
    const [red = 0, green = 0, blue = 0, alpha = 1] = text.match(/[\d.]+/g)?.map(Number) ?? [];
    return [red, green, blue, alpha];
  };
  const over = ([r, g, b, a]: Colour, [r2, g2, b2]: Colour): Colour => [
    r * a + r2 * (1 - a),
    g * a + g2 * (1 - a),
    b * a + b2 * (1 - a),
    1,
  ];
  const luminance = (colour: Colour) => {
    const [red = 0, green = 0, blue = 0] = colour.slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = (element: Element | null): Colour => {
    if (element === null) return [255, 255, 255, 1];
    const own = parse(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, behind(element.parentElement));
  };
  const found: string[] = [];
  for (const element of document.querySelectorAll('body *')) {
    const isVisible = (element as HTMLElement).checkVisibility() && element.getBoundingClientRect().width > 1;
    const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && (node.textContent ?? '').trim() !== '');
    if (!isVisible || !hasText) continue;
    const style = getComputedStyle(element);
    const ground = behind(element);
    const colour = over(parse(element instanceof SVGElement ? style.fill : style.color), ground);
    const [light = 0, dark = 0] = [luminance(colour), luminance(ground)].toSorted((one, other) => other - one);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) found.push(`${element.tagName} ${(element.textContent ?? '').slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return found;
}
