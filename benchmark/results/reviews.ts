/**
 * Prints reviews as JSON Lines with the columns `label` (neg or pos) and `text`, in an order that is random but always the same.
 *
 * Usage: npx node benchmark/results/reviews.ts REVIEWS.jsonl
 * Labels may be neg and pos, or 0 and 1; reviews without a label keep none.
 */
import { parseArgs } from 'node:util';
import { hostRandom } from '../../trainer/engine/random.ts';
import { readDocuments } from '../../trainer/data/readers.ts';
import { printLine } from '../../trainer/report/results.ts';
import { UserError } from '../../text/errors.ts';
import { failPlainly } from './failPlainly.ts';

const SEED = 1;

const NAMES: Readonly<Record<string, string>> = { '0': 'neg', '1': 'pos', neg: 'neg', pos: 'pos' };

await failPlainly(async () => {
  const [path] = parseArgs({ allowPositionals: true }).positionals;
  if (path === undefined) throw new UserError('Usage: npx node benchmark/results/reviews.ts REVIEWS.jsonl');
  const documents = await Array.fromAsync(readDocuments(path, { labels: 'optional' }));
  const random = hostRandom({ seed: SEED, step: 0 }, 'reviews');
  const shuffled = documents.map((document) => ({ document, key: random() })).toSorted((a, b) => a.key - b.key);
  for (const { document } of shuffled) {
    const { fields, label, origin } = document;
    const name = label === undefined ? undefined : NAMES[label];
    if (label !== undefined && name === undefined) throw new UserError(`${origin}: the label "${label}" is none of neg, pos, 0 and 1.`);
    await printLine(JSON.stringify({ label: name, text: fields[0] }));
  }
});
