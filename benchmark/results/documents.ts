import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import type { TrainingDocument } from '../../trainer/data/document.ts';
import { readDocuments } from '../../trainer/data/readers.ts';
import { UserError } from '../../text/errors.ts';
import { ownWords } from './messages.ts';

/** A fold of a cross-validation: the `number`th of `of`, counted from 1. */
export interface Fold {
  readonly number: number;
  readonly of: number;
}

/**
 * Reads labelled documents as a result is measured on them.
 *
 * @param messages they are newsgroup messages, of which what their authors wrote counts alone; messages without a word of their own are left out
 */
export async function readLabelled(
  data: string,
  options: { readonly text?: readonly string[] | undefined; readonly label?: string | undefined; readonly messages?: boolean | undefined },
): Promise<TrainingDocument[]> {
  const all = await Array.fromAsync(readDocuments(data, { text: options.text, label: options.label }));
  const documents = all.filter((document): document is TrainingDocument => document.label !== undefined);
  if (options.messages !== true) return documents;
  return documents
    .map((document) => ({ ...document, fields: document.fields.map(ownWords) }))
    .filter(({ fields }) => fields.some((field) => field !== ''));
}

/**
 * Cuts documents into those of a fold and the others. A fold holds, of each label, the documents that follow each other in the data: of Pang & Lee's
 * 2,000 reviews the first of ten folds holds the files cv000 to cv099 of both labels, as in their paper.
 *
 * @throws UserError where there is no such fold, or a label has fewer documents than there are folds
 */
export function cutFold<Document extends { readonly label: string }>(
  documents: readonly Document[],
  { number, of }: Fold,
): { readonly rest: Document[]; readonly heldOut: Document[] } {
  if (number < 1 || number > of) throw new UserError(`There is no fold ${number} of ${of}: folds are counted from 1.`);
  const heldOut = new Set<Document>();
  for (const [label, group] of Map.groupBy(documents, (document) => document.label)) {
    const [begin, end] = [number - 1, number].map((edge) => Math.round((edge * group.length) / of));
    if (begin === end) throw new UserError(`The label "${label}" has ${group.length} documents, too few for ${of} folds.`);
    for (const document of group.slice(begin, end)) heldOut.add(document);
  }
  return { rest: documents.filter((document) => !heldOut.has(document)), heldOut: [...heldOut] };
}

/** Writes documents as JSON Lines with the columns `label` and `text` (or `text1`, `text2`, … where there are several). */
export async function writeLabelled(path: string, documents: readonly TrainingDocument[]): Promise<void> {
  const file = createWriteStream(path);
  for (const { label, fields } of documents) {
    const text = fields.length === 1 ? { text: fields[0] } : Object.fromEntries(fields.map((field, index) => [`text${index + 1}`, field]));
    if (!file.write(`${JSON.stringify({ label, ...text })}\n`)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'finish');
}
