/** Texts with the trainer's answers, which a bundle carries so that whoever deploys it can see that it answers rightly where it runs. */
import * as v from 'valibot';

import { UserError } from '../text/errors.ts';
import { detokenize } from '../text/detokenizer.ts';

/** The file of a bundle that holds them. Whoever only serves the bundle has no use for it; a bundle without it is a bundle still. */
export const PARITY_FILE = 'parity.json';

/** Documents that are carried: enough to tell a wrong model from a right one, few enough to be asked in seconds. */
const MOST_TEXTS = 12;
/** Longer ones, in characters, are left out. */
const LONGEST_TEXT = 20_000;
/** Words of the long document, for several chunks. */
const LONG_WORDS = 400;

const documentsSchema = v.strictObject({
  documents: v.pipe(
    v.array(
      v.strictObject({
        text: v.pipe(v.string(), v.nonEmpty()),
        /** The probability of each label, in the order of the labels, or the one value of a regression. */
        answer: v.pipe(v.array(v.pipe(v.number(), v.finite())), v.nonEmpty()),
      }),
    ),
    v.nonEmpty(),
  ),
});

/** A text with the trainer's answer. */
export type ParityDocument = v.InferOutput<typeof documentsSchema>['documents'][number];

/**
 * Texts for a bundle to carry: the first of the held-out documents, one word, and one text of several chunks.
 *
 * @param heldOut documents as lists of tokens
 * @example
 * parityTexts([['xxbos', 'xxmaj', 'good', '!']]); // ['Good!', 'Good', 'Good! Good! …']
 */
export function parityTexts(heldOut: readonly (readonly string[])[]): string[] {
  const all = heldOut.map((tokens) => detokenize(tokens).trim()).filter((text) => text !== '');
  const words = all.join(' ').split(/\s+/);
  const [word] = words;
  if (word === undefined || all.length === 0) return [];
  const long = Array.from({ length: LONG_WORDS }, (_, place) => words[place % words.length]).join(' ');
  const texts = [...all.filter((text) => text.length <= LONGEST_TEXT).slice(0, MOST_TEXTS), word, long];
  return [...new Set(texts)].filter((text) => text.length <= LONGEST_TEXT);
}

/** What stands in the file. */
export function parityFileText(documents: readonly ParityDocument[]): string {
  return `${JSON.stringify({ documents }, null, 1)}\n`;
}

/** @throws UserError for anything else than `parityFileText` writes. */
export function parseParityFile(text: string): readonly ParityDocument[] {
  try {
    return v.parse(documentsSchema, JSON.parse(text)).documents;
  } catch {
    throw new UserError(`${PARITY_FILE} does not hold documents with answers. Copy the bundle again or export the model again.`);
  }
}
