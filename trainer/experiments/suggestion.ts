/** Further away than this share of the word, it is another word. */
const FARTHEST = 0.5;

/**
 * What somebody who mistyped a name may have meant, as the end of a sentence: ` Did you mean "chain-thaw"?`, or nothing.
 *
 * @example suggestion('chainthaw', ['full', 'chain-thaw']);
 */
export function suggestion(typed: string, names: readonly string[]): string {
  const [nearest] = names.map((name) => ({ name, distance: editDistance(typed, name) })).toSorted((a, b) => a.distance - b.distance);
  if (nearest === undefined || nearest.distance > FARTHEST * Math.max(typed.length, nearest.name.length)) return '';
  return ` Did you mean "${nearest.name}"?`;
}

/** Letters to insert, to take out or to replace to make one word of the other (Levenshtein). */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous.at(-1) ?? 0;
}
