import type { LabelledDocument, TargetDocument } from '../data/document.ts';
import { checkLabels, loadTargets } from '../data/labelledSet.ts';
import { readDocuments } from '../data/readers.ts';
import { hostRandom } from '../engine/random.ts';
import type { Task } from '../model/task.ts';
import { UserError } from '../../text/errors.ts';

/** Which documents are trained on, and which held out. */
export interface SplitConfig {
  /** Labelled documents: a table, JSON Lines, Parquet, or folders by label. */
  readonly data: string;
  /** Held-out documents; where there are none, `validationFraction` of the data. */
  readonly validation?: string | undefined;
  readonly validationFraction: number;
  readonly text?: readonly string[] | undefined;
  readonly label?: string | undefined;
  readonly labelSeparator?: string | undefined;
  /** Default: one label a document. */
  readonly task?: Task | undefined;
  /** Train on this many labelled documents, the same number of each label; undefined for all. */
  readonly labels?: number | undefined;
  readonly seed: number;
}

export interface SplitSets {
  readonly training: TargetDocument[];
  readonly validation: TargetDocument[];
  /** None for regression. */
  readonly labels: readonly string[];
  /** What is odd about the data, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * Reads the labelled documents and decides which are trained on and which are held out.
 *
 * @throws UserError for data that cannot be read or learnt from
 */
export async function readSets(config: SplitConfig): Promise<SplitSets> {
  const { task = 'singleLabel', seed, text, label, labelSeparator } = config;
  const columns = { text, label, labelSeparator, task };
  const { documents, labels, notes } = await loadTargets(config.data, columns);
  let training: TargetDocument[] = [...documents];
  let validation: TargetDocument[] = [];
  if (config.validation !== undefined) {
    validation = (await Array.fromAsync(readDocuments(config.validation, columns))).filter(hasTarget);
    checkLabels(validation, labels);
  } else {
    validation = takeShare(training, Math.round(training.length * config.validationFraction), seed);
    const heldOut = new Set(validation);
    training = training.filter((document) => !heldOut.has(document));
  }
  if (config.labels !== undefined) {
    if (config.labels > training.length) {
      throw new UserError(`--labels ${config.labels}: ${config.data} has only ${training.length} documents to train on.`);
    }
    training = takeBalanced(training, config.labels, seed);
  }
  const without = labels.find((name) => !training.some((document) => document.label === name || document.labels?.includes(name)));
  if (without !== undefined) {
    throw new UserError(`No document with the label "${without}" is left to train on. Hold out fewer documents, or take more --labels.`);
  }
  return { training, validation, labels, notes };
}

function hasTarget(document: LabelledDocument): document is TargetDocument {
  return document.label !== undefined || document.labels !== undefined || document.value !== undefined;
}

/** Documents with the same label; where a document may have several labels, or a number, those with the same ones, or all. */
function groupOf({ label, labels }: TargetDocument): string {
  return label ?? labels?.join('\n') ?? '';
}

/** The documents of each group in a random order, with the numbers in [0, 1) that they were ordered by. */
function shuffledByGroup(
  documents: readonly TargetDocument[],
  seed: number,
  site: string,
): Map<string, { document: TargetDocument; key: number }[]> {
  const random = hostRandom({ seed, step: 0 }, site);
  const keyed = documents.map((document) => ({ document, key: random() })).toSorted((a, b) => a.key - b.key);
  return Map.groupBy(keyed, ({ document }) => groupOf(document));
}

/** Draws documents at random, of each group in proportion to how often it comes, so that they are like the whole. One of each group stays. */
function takeShare(documents: readonly TargetDocument[], count: number, seed: number): TargetDocument[] {
  return [...shuffledByGroup(documents, seed, 'validation').values()]
    .flatMap((ofGroup) => ofGroup.slice(0, -1).map(({ document, key }, rank) => ({ document, place: (rank + key) / ofGroup.length })))
    .toSorted((a, b) => a.place - b.place)
    .slice(0, count)
    .map(({ document }) => document);
}

/** Draws documents at random, group by group in turn, so that each has its share as long as it lasts. */
function takeBalanced(documents: readonly TargetDocument[], count: number, seed: number): TargetDocument[] {
  const byGroup = shuffledByGroup(documents, seed, 'labels');
  const taken: TargetDocument[] = [];
  for (let round = 0; taken.length < count; round++) {
    for (const group of [...byGroup.keys()].toSorted()) {
      const next = byGroup.get(group)?.[round];
      if (next !== undefined && taken.length < count) taken.push(next.document);
    }
  }
  return taken;
}
