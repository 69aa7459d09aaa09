import fc from 'fast-check';
import { expect, test } from 'vitest';

import { readDelimited } from './delimited.ts';
import type { ReadOptions } from './document.ts';

/** Hands out a text in small chunks, which hold whole characters as a decoder's do. */
async function* inChunks(text: string): AsyncGenerator<string> {
  yield* text.match(/.{1,7}/gsu) ?? [];
}

async function read(text: string, options: ReadOptions = {}, delimiter: ',' | '\t' = ',') {
  return Array.fromAsync(readDelimited(inChunks(text), delimiter, 'r.csv', options));
}

/** A writer of our own, so that the reader is not tested against itself. */
function writeRow(cells: readonly string[], delimiter: string, quoteAll: boolean, lineBreak: string): string {
  const quote = (cell: string) => (quoteAll || /[",\t\r\n]/.test(cell) || cell.trim() === '' ? `"${cell.replaceAll('"', '""')}"` : cell);
  return cells.map(quote).join(delimiter) + lineBreak;
}

test('whatever is written is read back, and every record knows its line', async () => {
  const cell = fc.string({ unit: fc.constantFrom('a', 'é', '😀', '"', ',', '\t', '\n', '\r\n', ' ', '\0'), maxLength: 8 });
  const text = cell.filter((value) => value.trim() !== '');
  const row = fc.record({
    text,
    other: cell,
    label: fc.constantFrom('pos', 'neg', '"so, so"'),
    quoteAll: fc.boolean(),
    blankBefore: fc.boolean(),
  });
  const lineBreak = fc.constantFrom('\n', '\r\n');
  const delimiter = fc.constantFrom(',' as const, '\t' as const);
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1 }), lineBreak, delimiter, async (rows, end, mark) => {
      let file = writeRow(['other', 'label', 'text'], mark, false, end);
      const expected = rows.map((each) => {
        if (each.blankBefore) file += end;
        const line = file.split('\n').length;
        file += writeRow([each.other, each.label, each.text], mark, each.quoteAll, end);
        return { fields: [each.text], label: each.label, origin: `r.csv:${line}` };
      });
      expect(await read(file, {}, mark)).toEqual(expected);
    }),
  );
});

test('takes several text columns in the order asked for', async () => {
  const [document] = await read('label,body,title\n1,b,t\n', { text: ['title', 'body'] });
  expect(document).toEqual({ fields: ['t', 'b'], label: '1', origin: 'r.csv:2' });
});

test("takes the only column that is not the label for the text, past a data frame's row numbers", async () => {
  expect(await read(',review,label\n0,good,pos\n')).toEqual([{ fields: ['good'], label: 'pos', origin: 'r.csv:2' }]);
  expect(await read('review\ngood\n', { labels: 'ignored' })).toEqual([{ fields: ['good'], label: undefined, origin: 'r.csv:2' }]);
});

test('reads labels as asked', async () => {
  const file = 'text,label\na, pos \nb,\n';
  expect((await read(file, { labels: 'optional' })).map(({ label }) => label)).toEqual(['pos', undefined]);
  expect((await read(file, { labels: 'ignored' })).map(({ label }) => label)).toEqual([undefined, undefined]);
  expect((await read('text\na\n', { labels: 'optional' })).map(({ label }) => label)).toEqual([undefined]);
  await expect(read(file)).rejects.toThrow('r.csv:3: the label in column "label" is missing. Give the record a label or remove it.');
});

const REFUSED: readonly [what: string, file: string, options: ReadOptions, message: string][] = [
  [
    'a row with too many columns',
    'text,label\n"two\r\nlines",pos\nno, quotes,neg\n',
    {},
    'r.csv:4: the row has 3 columns, but the header has 2 (text, label). A field that holds a comma must stand in double quotes.',
  ],
  ['a row with too few columns', 'text,label\nonly text\n', {}, 'r.csv:2: the row has 1 column, but the header has 2 (text, label).'],
  [
    'a quote that is never closed',
    'text,label\n\n"a\nb",pos\n"c,neg\nd,pos\n',
    {},
    'r.csv:5, column 1: the double quote that opens the field is never closed. Close it, or write a quote inside a field as "".',
  ],
  [
    'text after a closing quote',
    'label,text\npos,"so "called" text"\n',
    {},
    'r.csv:2, column 2: text goes on after the field\'s closing double quote. Write a quote inside a field as "".',
  ],
  [
    'a quote inside a bare field',
    'text,label\na "b" c,pos\n',
    {},
    'r.csv:2, column 1: a double quote stands inside a field that is not quoted. Quote the whole field and write the quote as "".',
  ],
  [
    'a missing text column',
    'review,stars,when\ngood,5,now\n',
    { label: 'stars' },
    'r.csv:1: there is no column "text". The columns are: "review", "stars", "when". Name the text columns with --text.',
  ],
  [
    'a text column that was asked for',
    'text,label\ngood,pos\n',
    { text: ['text', 'title'] },
    'r.csv:1: there is no column "title". The columns are: "text", "label". Name the text columns with --text.',
  ],
  [
    'a missing label column',
    'text,sentiment\ngood,pos\n',
    {},
    'r.csv:1: there is no column "label". The columns are: "text", "sentiment". Name the label column with --label.',
  ],
  [
    'an optional label column that was asked for',
    'text,sentiment\ngood,pos\n',
    { labels: 'optional', label: 'stars' },
    'r.csv:1: there is no column "stars". The columns are: "text", "sentiment". Name the label column with --label.',
  ],
  [
    'another separator',
    'text;label\ngood;pos\n',
    {},
    'r.csv:1: there is no column "label". The columns are: "text;label". The columns seem to be separated by ";": use commas, or tabs and the ending .tsv.',
  ],
  [
    'a missing header',
    '"3","Wall St. Bears Claw Back Into the Black (Reuters)"\n"4","Another story of some length"\n',
    {},
    'r.csv:1: the header is missing: the first row ("3", "Wall St. Bears Claw Back Into …") is data. Put the columns\' names in a row before it, such as label,text.',
  ],
  [
    'an empty text',
    'text,label\ngood,pos\n   ,neg\n',
    {},
    'r.csv:3: the text in column "text" is empty. Remove the record or give it a text.',
  ],
  [
    'fields that are all empty',
    'title,body,label\n,b,pos\n,"\n",neg\n',
    { text: ['title', 'body'] },
    'r.csv:3: the text in column "title" and "body" is empty. Remove the record or give it a text.',
  ],
  [
    'two columns of one name',
    'text,label,text\na,pos,b\n',
    {},
    'r.csv:1: there are several columns "text". Give each column a name of its own.',
  ],
  [
    'one column for both',
    'text,label\na,pos\n',
    { text: ['label'] },
    'r.csv:1: column "label" cannot be both text and label. Name two different columns with --text and --label.',
  ],
];

test.each(REFUSED)('refuses %s', async (_, file, options, message) => {
  await expect(read(file, options)).rejects.toThrow(message);
});

test('stops reading when the reader stops', async () => {
  let chunks = 0;
  async function* endless(): AsyncGenerator<string> {
    yield 'text,label\n';
    for (;;) {
      chunks++;
      yield 'good,pos\nbad,neg\n'.repeat(100);
    }
  }
  for await (const { label } of readDelimited(endless(), ',', 'r.csv', {})) {
    expect(label).toBe('pos');
    break;
  }
  const read = chunks;
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(chunks).toBe(read);
});
