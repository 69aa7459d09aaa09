import fc from 'fast-check';
import { expect, test } from 'vitest';

import { articlesOf } from './articles.ts';
import type { Line } from './lines.ts';

async function documentsOf(text: string, options: Partial<Parameters<typeof articlesOf>[1]> = {}): Promise<string[]> {
  async function* lines(): AsyncGenerator<Line> {
    yield* text.split('\n').map((line, index) => ({ text: line, number: index + 1 }));
  }
  return Array.fromAsync(articlesOf(lines(), { splitArticles: true, ...options }));
}

const WIKITEXT = `
 = Anarchism =

 Anarchism is a well @-@ known philosophy of 1 @,@ 000 <unk> .
 It is old .

 = = History = =

 Long ago .

 = = = Later = = =

 Less long ago .

 = E = mc2 =

 An equation . Its symbols :
 = Energy ; m =
 mass .
`;

test("makes a document of each article in WikiText's form", async () => {
  expect(await documentsOf(WIKITEXT)).toEqual([
    'Anarchism\n\nAnarchism is a well-known philosophy of 1,000 xxunk .\nIt is old .\n\nHistory\n\nLong ago .\n\nLater\n\nLess long ago .',
    'E = mc2\n\nAn equation . Its symbols :\n= Energy ; m =\nmass .',
  ]);
});

test('leaves articles together when told so', async () => {
  expect(await documentsOf(WIKITEXT, { splitArticles: false })).toEqual([WIKITEXT.trim()]);
});

test('keeps other text as it stands', async () => {
  const poem = 'A line\n  indented  \n\n\n= not a title\nA == B == C';
  expect(await documentsOf(poem)).toEqual([poem]);
  expect(await documentsOf(' \n\n')).toEqual([]);
});

test('ends a long document at its next blank line', async () => {
  const paragraphs = ['one two\nthree', 'four five six', 'seven', 'eight nine ten'];
  expect(await documentsOf(paragraphs.join('\n\n'), { longDocument: 20 })).toEqual([
    'one two\nthree\n\nfour five six',
    'seven\n\neight nine ten',
  ]);
});

test('cuts a long document, whatever it is made of, and loses no word', async () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', '='), minLength: 1, maxLength: 12 });
  const line = fc.array(word, { maxLength: 20 }).map((words) => words.join(' '));
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.integer({ min: 12, max: 60 }), async (lines, longDocument) => {
      const documents = await documentsOf(lines.join('\n'), { longDocument, splitArticles: false });
      for (const document of documents) expect(document.length).toBeLessThan(3 * longDocument);
      const words = (text: string) => text.split(/\s+/).filter((each) => each !== '');
      expect(documents.flatMap(words)).toEqual(lines.flatMap(words));
    }),
  );
});

test('cuts a line without spaces too', async () => {
  const documents = await documentsOf('x'.repeat(105), { longDocument: 10 });
  expect(documents.join('').replaceAll('\n', '')).toBe('x'.repeat(105));
  for (const document of documents) expect(document.length).toBeLessThan(30);
});
