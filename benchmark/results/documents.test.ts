import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { UserError } from '../../text/errors.ts';
import { cutFold } from './documents.ts';
import { prepare } from './prepare.ts';

const REVIEWS = Array.from({ length: 40 }, (_, index) => ({ label: index % 2 === 0 ? 'neg' : 'pos', text: `review number ${index}` }));

async function reviews(records: readonly object[] = REVIEWS): Promise<string> {
  const folder = await temporaryFolder({ 'reviews.jsonl': records.map((record) => JSON.stringify(record)).join('\n') });
  return join(folder, 'reviews.jsonl');
}

async function linesOf(path: string): Promise<{ label?: string; text: string }[]> {
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as { label?: string; text: string });
}

describe('cutFold', () => {
  it('takes, of each label, those that follow each other; each document is in one fold', () => {
    const { rest, heldOut } = cutFold(REVIEWS, { number: 1, of: 10 });
    expect(heldOut.map(({ text }) => text)).toEqual(['review number 0', 'review number 2', 'review number 1', 'review number 3']);
    expect(rest).toHaveLength(36);
    const all = Array.from({ length: 3 }, (_, index) => cutFold(REVIEWS, { number: index + 1, of: 3 }).heldOut).flat();
    expect(new Set(all).size).toBe(40);
    expect(all).toHaveLength(40);
  });

  it.each([
    [{ number: 0, of: 10 }, 'There is no fold 0 of 10'],
    [{ number: 11, of: 10 }, 'There is no fold 11 of 10'],
    [{ number: 1, of: 50 }, 'The label "neg" has 20 documents, too few for 50 folds.'],
  ])('refuses %j', (fold, message) => {
    expect(() => cutFold(REVIEWS, fold)).toThrow(UserError);
    expect(() => cutFold(REVIEWS, fold)).toThrow(message);
  });
});

describe('prepare', () => {
  it('writes parts that share no document, and balanced draws from the training part', async () => {
    const out = await temporaryFolder();
    await prepare(await reviews(), { out, testFraction: 0.2, labels: [8, 4], draws: 2 });
    const [train, valid, test, labelled] = await Promise.all(
      ['train', 'valid', 'test', 'labelled'].map((name) => linesOf(join(out, `${name}.jsonl`))),
    );
    expect([train, valid, test, labelled].map((part) => part?.length)).toEqual([29, 3, 8, 32]);
    const texts = [train, valid, test].flatMap((part) => part?.map(({ text }) => text));
    expect(new Set(texts).size).toBe(40);
    const draws = await Promise.all(['4-1', '4-2', '8-1'].map((draw) => linesOf(join(out, `labels-${draw}.jsonl`))));
    for (const draw of draws) {
      expect(draw.filter(({ label }) => label === 'pos')).toHaveLength(draw.length / 2);
      for (const { text } of draw) expect(train?.map((each) => each.text)).toContain(text);
    }
    expect(draws[0]).not.toEqual(draws[1]);
  });

  it('holds out a fold, or documents of their own; keeps unlabelled text for language models', async () => {
    const [out, other] = await Promise.all([temporaryFolder(), temporaryFolder()]);
    await prepare(await reviews(), { out, fold: { number: 2, of: 10 }, testFraction: 0.1, draws: 1 });
    expect((await linesOf(join(out, 'test.jsonl'))).map(({ text }) => text)).toContain('review number 4');
    const test = await reviews([{ label: 'pos', text: 'to judge on' }]);
    const unlabelled = await reviews([{ text: 'without a label' }]);
    await prepare(await reviews(), { out: other, test, unlabelled, testFraction: 0.1, draws: 1 });
    expect(await linesOf(join(other, 'test.jsonl'))).toEqual([{ label: 'pos', text: 'to judge on' }]);
    expect(await linesOf(join(other, 'text.jsonl'))).toContainEqual({ text: 'without a label' });
    expect(await linesOf(join(other, 'labelled.jsonl'))).toHaveLength(40);
  });

  it('leaves messages without a word of their own out', async () => {
    const out = await temporaryFolder();
    const messages = REVIEWS.map(({ label, text }) => ({ label, text: `Subject: ${label}\n\n${text}` }));
    await prepare(await reviews([...messages, { label: 'pos', text: 'Subject: pos\n\n> yes' }]), {
      out,
      messages: true,
      testFraction: 0.1,
      draws: 1,
    });
    const [test, labelled] = await Promise.all(['test', 'labelled'].map((name) => linesOf(join(out, `${name}.jsonl`))));
    expect([...(test ?? []), ...(labelled ?? [])].map(({ text }) => text).toSorted()).toEqual(REVIEWS.map(({ text }) => text).toSorted());
  });
});
