import { html as escaping, raw } from 'hono/html';

export { raw };

/** A piece of a page, everything in it escaped. */
export type Markup = ReturnType<typeof escaping>;

const compacted = new WeakMap<TemplateStringsArray, TemplateStringsArray>();

/**
 * Markup in which every value is escaped that is no markup itself. The template's own indentation is left out, which would be half of a
 * large table; values are as they are.
 *
 * @example
 * String(await html`<b>${'1 < 2'}</b>`); // <b>1 &lt; 2</b>
 */
export function html(strings: TemplateStringsArray, ...values: unknown[]): Markup {
  let compact = compacted.get(strings);
  if (compact === undefined) {
    const parts = strings.map((part) => part.replaceAll(/\s*\n\s*/g, '\n'));
    compact = Object.assign(parts, { raw: parts });
    compacted.set(strings, compact);
  }
  return escaping(compact, ...values);
}
