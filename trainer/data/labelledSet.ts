import { UserError } from '../../text/errors.ts';
import type { LabelledDocument, ReadOptions, TrainingDocument } from './document.ts';
import { readDocuments } from './readers.ts';

/** Documents with labels, held in memory, and the labels there are. */
export interface LabelledSet {
  readonly documents: readonly TrainingDocument[];
  /** Each label once, in the order of their characters, or by value where all are numbers. A label's place is its class. */
  readonly labels: readonly string[];
}

/** From this many documents on, a label for each of them is no accident: the label column is the wrong one. */
const ALL_DIFFERENT_LIMIT = 10;

/**
 * Reads a labelled set for training.
 *
 * @throws UserError for bad input (see readDocuments), and where the labels leave nothing to learn
 * @example
 * const { documents, labels } = await loadLabelledSet('reviews.csv'); // labels: ['neg', 'pos']
 */
export async function loadLabelledSet(path: string, options: Omit<ReadOptions, 'labels'> = {}): Promise<LabelledSet> {
  const documents: TrainingDocument[] = [];
  for await (const document of readDocuments(path, { ...options, labels: 'required' })) {
    if (isLabelled(document)) documents.push(document);
  }
  const labels = [...new Set(documents.map(({ label }) => label))].toSorted();
  if (labels.every(isNumber)) labels.sort((a, b) => Number(a) - Number(b));
  if (labels.length < 2) {
    throw new UserError(
      `${path}: all ${documents.length} documents have the label "${labels[0]}". A classifier needs at least two labels to tell apart.`,
    );
  }
  if (labels.length === documents.length && documents.length >= ALL_DIFFERENT_LIMIT) {
    throw new UserError(
      `${path}: every one of the ${documents.length} documents has a label of its own ("${labels[0]}", "${labels[1]}", …). Name the right column with --label.`,
    );
  }
  return { documents, labels };
}

/** Whether a document has a label. */
export function isLabelled(document: LabelledDocument): document is TrainingDocument {
  return document.label !== undefined;
}

function isNumber(label: string): boolean {
  return Number.isFinite(Number(label));
}

/**
 * Makes sure that a classifier can be judged by these documents.
 *
 * @param known the labels the classifier was trained on
 * @throws UserError naming the first label that it has never seen, and where it stands
 */
export function checkLabels(documents: readonly LabelledDocument[], known: readonly string[]): void {
  const labels = new Set(known);
  const stranger = documents.find(({ label }) => label !== undefined && !labels.has(label));
  if (!stranger) return;
  throw new UserError(
    `${stranger.origin}: the model does not know the label "${stranger.label}". It was trained on: ${known.map((label) => `"${label}"`).join(', ')}. ` +
      'Rename the label or leave the document out.',
  );
}
