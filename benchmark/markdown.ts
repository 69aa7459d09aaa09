import type { Rows } from './tables.ts';

/** Rows as a table in Markdown: the first row is its head, the first column stands to the left, the others to the right. */
export function markdownTable([head = [], ...rows]: Rows): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `| ${head.map((_, column) => (column === 0 ? '---' : '---:')).join(' | ')} |`, ...rows.map(line)].join('\n');
}

/**
 * Puts text between a pair of marks, `<!-- begin NAME -->` and `<!-- end NAME -->`, in place of what stands there.
 *
 * @throws Error where the marks are missing
 */
export function replaceBetweenMarks(document: string, name: string, text: string): string {
  const [begin, end] = [`<!-- begin ${name} -->`, `<!-- end ${name} -->`];
  const from = document.indexOf(begin);
  const to = document.indexOf(end, from);
  if (from === -1 || to === -1) throw new Error(`there is no ${begin} with ${end} after it`);
  return `${document.slice(0, from + begin.length)}\n${text}\n${document.slice(to)}`;
}
