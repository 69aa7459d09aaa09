/**
 * Writes what was measured on sets into a document, between the marks `<!-- begin results -->` and `<!-- end results -->`.
 *
 * Usage: npx node benchmark/results/fill.ts docs/results.md runs/results/trec runs/results/ag-news …
 * The folders of folds, such as runs/results/movie-reviews/1, are one set, named by the folder around them.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { UserError } from '../../text/errors.ts';
import { markdownTable, replaceBetweenMarks } from '../markdown.ts';
import { failPlainly } from './failPlainly.ts';
import { recordsOf, type ResultRecord } from './records.ts';
import { accuracyRows, provenance } from './resultTable.ts';
import { KNOWN_SETS } from './sets.ts';

/** A fold's folder has a number for a name. */
function setOf(folder: string): string {
  const path = resolve(folder);
  return /^\d+$/.test(basename(path)) ? basename(dirname(path)) : basename(path);
}

function section(set: string, records: readonly ResultRecord[]): string {
  const documents = [...new Set(records.map((record) => record.documents))].join(' or ');
  return [
    `### ${KNOWN_SETS[set]?.title ?? set}`,
    '',
    markdownTable(accuracyRows(records, set)),
    '',
    `Judged on ${documents} documents that were held out.`,
    '',
    ...provenance(records),
  ].join('\n');
}

await failPlainly(async () => {
  const [document, ...folders] = process.argv.slice(2);
  if (document === undefined || folders.length === 0) throw new UserError('Usage: npx node benchmark/results/fill.ts DOCUMENT.md FOLDER…');
  const sections: string[] = [];
  for (const [set, own] of Map.groupBy(folders, setOf)) {
    const records = (await Promise.all(own.map(recordsOf))).flat();
    if (records.length > 0) sections.push(section(set, records));
  }
  await writeFile(document, replaceBetweenMarks(await readFile(document, 'utf8'), 'results', `\n${sections.join('\n\n')}\n`));
});
