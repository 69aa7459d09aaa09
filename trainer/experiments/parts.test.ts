import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { generatedDocuments, generatedReviews, jsonLines } from '../../test/fixtures/generatedText.ts';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { balanceNote, drawLabels, type Part, type PartOptions, type Parts, pathOf, prepareParts } from './parts.ts';

const SHARES: PartOptions = { testFraction: 0.2, validFraction: 0.1 };

async function linesOf(parts: Parts, part: Part): Promise<string[]> {
  return (await readFile(pathOf(parts, part), 'utf8')).trimEnd().split('\n');
}

const countOf = (lines: readonly string[], label: string): number => lines.filter((line) => line.includes(`"label":"${label}"`)).length;

/** Reviews that all differ. */
const reviews = (count: number): object[] =>
  generatedReviews(count, 2).map(({ text, label }, index) => ({ text: `${text} ${index}`, label }));

describe('the parts of a data set', () => {
  it('hold each document once, labels in proportion', async () => {
    const folder = await temporaryFolder({ 'reviews.jsonl': jsonLines(reviews(100)) });
    const parts = await prepareParts(join(folder, 'reviews.jsonl'), SHARES, join(folder, 'data'));
    const [train, valid, test, text] = await Promise.all(
      [parts.train, parts.valid, parts.test, parts.text].map((part) => linesOf(parts, part)),
    );
    expect([train, valid, test, text].map((lines) => lines?.length)).toEqual([72, 8, 20, 80]);
    expect(new Set([...(train ?? []), ...(valid ?? []), ...(test ?? [])]).size).toBe(100);
    expect(new Set([...(train ?? []), ...(valid ?? [])])).toEqual(new Set(text));
    expect([train, valid, test].map((lines) => countOf(lines ?? [], 'pos'))).toEqual([36, 4, 10]);
    expect(parts.labels).toEqual(['neg', 'pos']);
  });

  it('stay as they are once they are made', async () => {
    const folder = await temporaryFolder({ 'reviews.jsonl': jsonLines(reviews(40)) });
    const data = join(folder, 'reviews.jsonl');
    const first = await prepareParts(data, SHARES, join(folder, 'data'));
    expect(await prepareParts(data, { ...SHARES, testFraction: 0.5 }, join(folder, 'data'))).toEqual(first);
  });

  it('may be named; further text is for the language model alone', async () => {
    const folder = await temporaryFolder({
      'reviews.jsonl': jsonLines(reviews(40)),
      'test.jsonl': jsonLines(generatedReviews(6, 3)),
      'valid.jsonl': jsonLines(generatedReviews(4, 4)),
      'more.jsonl': jsonLines(generatedDocuments(5, 2, 5)),
    });
    const at = (name: string): string => join(folder, name);
    const options = { ...SHARES, test: at('test.jsonl'), valid: at('valid.jsonl'), unlabelled: at('more.jsonl') };
    const parts = await prepareParts(at('reviews.jsonl'), options, at('data'));
    expect([parts.train, parts.valid, parts.test, parts.text].map(({ documents }) => documents)).toEqual([40, 4, 6, 45]);
    expect((await linesOf(parts, parts.text)).join()).not.toContain('"label"');
  });

  it('keep several columns apart, and targets of other tasks', async () => {
    const records = Array.from({ length: 20 }, (_, index) => ({
      title: `T ${index}`,
      body: `B ${index}`,
      topics: index % 2 === 0 ? ['a', 'b'] : ['a'],
    }));
    const folder = await temporaryFolder({ 'records.jsonl': jsonLines(records) });
    const options = { ...SHARES, text: ['title', 'body'], label: 'topics', task: 'multiLabel' as const };
    const parts = await prepareParts(join(folder, 'records.jsonl'), options, join(folder, 'data'));
    expect(parts.columns).toEqual(['text1', 'text2']);
    expect(JSON.parse((await linesOf(parts, parts.test))[0] ?? '')).toEqual({
      label: expect.arrayContaining(['a']),
      text1: expect.stringMatching(/^T \d+$/),
      text2: expect.stringMatching(/^B \d+$/),
    });
    expect(await linesOf(parts, await drawLabels(parts, 'multiLabel', 6, 1))).toHaveLength(6);
  });

  it('are refused where the test part has a label of its own, or nothing is left', async () => {
    const folder = await temporaryFolder({
      'reviews.jsonl': jsonLines(reviews(40)),
      'test.jsonl': jsonLines([{ text: 'So so.', label: 'meh' }]),
    });
    const at = (name: string): string => join(folder, name);
    const stranger = prepareParts(at('reviews.jsonl'), { ...SHARES, test: at('test.jsonl') }, at('data'));
    await expect(stranger).rejects.toThrow(/test\.jsonl:1: the model does not know the label "meh"/);
    const nothing = prepareParts(at('reviews.jsonl'), { ...SHARES, testFraction: 0 }, at('data'));
    await expect(nothing).rejects.toThrow(/No documents are left to judge classifiers on.*--test/);
  });
});

describe('draws of labels', () => {
  it('are balanced, nested, and another for each seed', async () => {
    // Three negative reviews for each positive one.
    const uneven = reviews(160).filter((review, index) => JSON.stringify(review).includes('"neg"') || index % 3 === 0);
    const folder = await temporaryFolder({ 'reviews.jsonl': jsonLines(uneven) });
    const parts = await prepareParts(join(folder, 'reviews.jsonl'), SHARES, join(folder, 'data'));
    const draw = async (labels: number, seed: number): Promise<string[]> =>
      linesOf(parts, await drawLabels(parts, undefined, labels, seed));
    const [few, many, other] = [await draw(8, 1), await draw(16, 1), await draw(8, 2)];
    expect([countOf(few, 'pos'), countOf(many, 'pos'), countOf(other, 'pos')]).toEqual([4, 8, 4]);
    expect(few.every((line) => many.includes(line))).toBe(true);
    expect(new Set(few)).not.toEqual(new Set(other));
    expect(await draw(8, 1)).toEqual(few);
  });

  it('that cannot be balanced are noted', async () => {
    const rare = reviews(40).filter((review, index) => JSON.stringify(review).includes('"neg"') || index < 8);
    const folder = await temporaryFolder({ 'reviews.jsonl': jsonLines(rare) });
    const parts = await prepareParts(join(folder, 'reviews.jsonl'), SHARES, join(folder, 'data'));
    expect(await balanceNote(parts, undefined, 4)).toBeUndefined();
    expect(await balanceNote(parts, undefined, 12)).toMatch(
      /^The label "pos" has only \d documents to draw from: 12 labels are not balanced/,
    );
  });
});
