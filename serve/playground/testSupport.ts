/** What the tests of the playground in a real browser share. */
import { existsSync } from 'node:fs';

/** Chromium, as the system has it or as the environment's CHROMIUM names it. */
export const CHROMIUM = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  (path) => path !== undefined && existsSync(path),
);
if (CHROMIUM === undefined)
  console.warn('There is no Chromium on this machine: the tests of the playground skip. On Debian: apt-get install chromium');

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
