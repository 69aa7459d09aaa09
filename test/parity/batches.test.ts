/** The batches of text, and the order in which they come, beside fastai's LMDataLoader and SortedDL. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sortedBatches, sortishBatches } from '../../trainer/data/documentBatches.ts';
import { fixedLengths, givenOrder, LanguageModelStream, streamLength, type Window } from '../../trainer/data/languageModelStream.ts';
import { tokenCorpus } from '../../trainer/data/tokenCorpus.ts';

/** Rows are the parallel streams. */
interface Batch {
  readonly ids: readonly (readonly number[])[];
  readonly targets: readonly (readonly number[])[];
}

interface BatchesGolden {
  readonly streams: readonly {
    readonly corpus: readonly (readonly number[])[];
    readonly batch: number;
    readonly runs: readonly { readonly bptt: number; readonly backwards: boolean; readonly batches: readonly Batch[] }[];
  }[];
  readonly documents: {
    readonly batch: number;
    readonly lengths: readonly number[];
    /** The order in which fastai was made to draw the documents. */
    readonly permutation: readonly number[];
    readonly sorted: readonly (readonly number[])[];
    readonly sortish: readonly (readonly number[])[];
  };
}

const golden = JSON.parse(readFileSync(new URL('golden/batches.json', import.meta.url), 'utf8')) as BatchesGolden;

describe('LanguageModelStream, beside fastai’s LMDataLoader', () => {
  const runs = golden.streams.flatMap(({ corpus, batch, runs: ofCorpus }) =>
    ofCorpus.map((run) => ({ ...run, batch, corpus, tokens: corpus.flat().length, direction: run.backwards ? 'backwards' : 'forwards' })),
  );

  it.each(runs)('serves the same batches: $tokens tokens in windows of $bptt, $direction', (run) => {
    const { batch, bptt, backwards } = run;
    const corpus = tokenCorpus(run.corpus.map((ids) => Int32Array.from(ids)));
    const lengths = fixedLengths(streamLength(corpus, batch), bptt);
    const stream = new LanguageModelStream(corpus, givenOrder(run.corpus.length), lengths, { batch, bptt, backwards });
    const rows = ({ time }: Window, ids: Int32Array): number[][] =>
      Array.from({ length: batch }, (_, row) => Array.from({ length: time }, (_step, t) => ids[t * batch + row] ?? -1));
    const found = [...stream.windows()].map((window): Batch => ({ ids: rows(window, window.ids), targets: rows(window, window.targets) }));
    expect(found).toEqual(run.batches);
    expect(found).toHaveLength(3);
  });
});

describe('batches of documents, beside fastai’s SortedDL', () => {
  const { batch, lengths, permutation, sorted, sortish } = golden.documents;

  it('are the same where they are sorted, documents of one length in their order', () => {
    expect(sortedBatches(lengths, batch)).toEqual(sorted);
    expect(new Set(lengths).size).toBeLessThan(lengths.length / 2);
  });

  it('are the same in training, given the same order of documents, but for the order of the batches behind the first', () => {
    const key = { seed: 1, step: 2 };
    // All of one length in one batch: the order in which the sampler draws documents. Each takes the place, and so the length, that
    // fastai's order has there.
    const [drawn = []] = sortishBatches(new Array<number>(lengths.length).fill(1), lengths.length, key);
    expect(drawn.toSorted((a, b) => a - b)).toEqual([...lengths.keys()]);
    const theirs = new Map(drawn.map((document, place) => [document, permutation[place] ?? -1]));
    const ownLengths = [...lengths.keys()].map((document) => lengths[theirs.get(document) ?? -1] ?? -1);
    const found = sortishBatches(ownLengths, batch, key).map((documents) => documents.map((document) => theirs.get(document) ?? -1));
    expect(found[0]).toEqual(sortish[0]);
    const inOneOrder = (batches: readonly (readonly number[])[]) => batches.toSorted((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
    expect(inOneOrder(found)).toEqual(inOneOrder(sortish));
    // More than the 50 batches that are sorted together, and a last one that is not full.
    expect(found.length).toBeGreaterThan(50);
    expect(sortish.at(-1)).toHaveLength(2);
  });
});
