import { hostRandom, type DrawKey } from '../engine/random.ts';

/** Batches whose documents are sorted together: within so many batches, lengths are alike (fastai's `SortishSampler`). */
const BATCHES_SORTED_TOGETHER = 50;

/**
 * The batches of a training epoch: documents in random order, but sorted by length within stretches of 50 batches, so that little
 * padding is needed; then the batches are shuffled, the one with the longest document first, so that memory runs out at once
 * or never (fastai's `SortishSampler`).
 *
 * @param lengths tokens of each document
 * @returns indices of documents, batch by batch. No batch has a single document, on which batch norm could not be trained.
 */
export function sortishBatches(lengths: readonly number[], batch: number, key: DrawKey): number[][] {
  const random = hostRandom(key, 'document batches');
  const order = shuffled([...lengths.keys()], random);
  const stretch = batch * BATCHES_SORTED_TOGETHER;
  const batches: number[][] = [];
  for (let start = 0; start < order.length; start += stretch) {
    const sorted = order.slice(start, start + stretch).toSorted((a, b) => (lengths[b] ?? 0) - (lengths[a] ?? 0));
    for (let first = 0; first < sorted.length; first += batch) batches.push(sorted.slice(first, first + batch));
  }
  joinSingle(batches);
  const longest = batches.reduce((best, documents, index) => (lengthOf(documents) > lengthOf(batches[best] ?? []) ? index : best), 0);
  const [first = []] = batches.splice(longest, 1);
  return [first, ...shuffled(batches, random)];

  function lengthOf(documents: readonly number[]): number {
    return Math.max(0, ...documents.map((document) => lengths[document] ?? 0));
  }
}

/** Batches for measuring: sorted by length, longest first. */
export function sortedBatches(lengths: readonly number[], batch: number): number[][] {
  const order = [...lengths.keys()].toSorted((a, b) => (lengths[b] ?? 0) - (lengths[a] ?? 0));
  return Array.from({ length: Math.ceil(order.length / batch) }, (_, index) => order.slice(index * batch, (index + 1) * batch));
}

function joinSingle(batches: number[][]): void {
  const single = batches.findIndex((documents) => documents.length === 1);
  if (single <= 0) return;
  const [left = []] = batches.splice(single, 1);
  batches[single - 1]?.push(...left);
}

/** Fisher–Yates. */
function shuffled<Item>(items: Item[], random: () => number): Item[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [items[i], items[j]] = [items[j] as Item, items[i] as Item];
  }
  return items;
}
