import fc from 'fast-check';
import { expect, test } from 'vitest';

import type { ReadOptions } from './document.ts';
import { readJsonLines } from './jsonLines.ts';
import { splitLines } from './lines.ts';

async function* chunks(text: string): AsyncGenerator<string> {
  for (let start = 0; start < text.length; start += 7) yield text.slice(start, start + 7);
}

async function read(text: string, options: ReadOptions = {}) {
  return Array.fromAsync(readJsonLines(splitLines(chunks(text), 'r.jsonl'), 'r.jsonl', options));
}

test('whatever is written is read back', async () => {
  const text = fc.string({ unit: 'binary', maxLength: 12 }).filter((value) => value.trim() !== '');
  const label = fc.oneof(fc.constantFrom('pos', 'neg'), fc.integer(), fc.boolean());
  const record = fc.record({ text, label, __proto__: fc.constant(null), other: fc.jsonValue() });
  await fc.assert(
    fc.asyncProperty(fc.array(record, { minLength: 1 }), fc.constantFrom('\n', '\r\n', '\n\n'), async (records, end) => {
      const lines = end === '\n\n' ? 2 : 1;
      expect(await read(records.map((each) => JSON.stringify(each)).join(end))).toEqual(
        records.map((each, index) => ({ fields: [each.text], label: String(each.label), origin: `r.jsonl:${index * lines + 1}` })),
      );
    }),
  );
});

test('takes null for an empty field among several, and for a missing label', async () => {
  const line = '{"title": null, "body": "b", "label": null}';
  expect(await read(line, { text: ['title', 'body'], labels: 'optional' })).toEqual([
    { fields: ['', 'b'], label: undefined, origin: 'r.jsonl:1' },
  ]);
});

test('takes columns by their own names only', async () => {
  await expect(read('{"text": "a"}', { label: 'toString' })).rejects.toThrow('there is no column "toString"');
  expect(await read('{"text": "a", "__proto__": "pos"}', { label: '__proto__' })).toEqual([
    { fields: ['a'], label: 'pos', origin: 'r.jsonl:1' },
  ]);
});

const REFUSED: readonly [what: string, lines: string, options: ReadOptions, message: string][] = [
  [
    'a bare word',
    'hello',
    {},
    'r.jsonl:1: this is not valid JSON: Unexpected token \'h\': column 1 ("hello"). Write one JSON object a line.',
  ],
  [
    'a word for a value',
    '{"text": "a", "label": pos}',
    {},
    'r.jsonl:1: this is not valid JSON: Unexpected token \'p\': column 24 ("pos}").',
  ],
  [
    'a line cut short',
    '{"text": "a", "label": 1}\n{"text": "a',
    {},
    'r.jsonl:2: this is not valid JSON: Unterminated string: the line ends too early, at column 12.',
  ],
  [
    'an unfinished object',
    '{"text": "a",',
    {},
    'r.jsonl:1: this is not valid JSON: Expected double-quoted property name: the line ends too early, at column 14.',
  ],
  [
    'two records on a line',
    '{"text": "a"} {"text": "b"}',
    {},
    'r.jsonl:1: this is not valid JSON: Unexpected non-whitespace character: column 15 ("{"text": "b"}").'.replace(
      '"{"text": "b"}"',
      '"{\\"text\\": \\"b\\"}"',
    ),
  ],
  ['single quotes', "{'text': 'a'}", {}, "r.jsonl:1: this is not valid JSON: Expected property name or '}': column 2"],
  [
    'a list',
    '{"text": "a", "label": 1}\n[1]',
    {},
    'r.jsonl:2: each line must be a JSON object such as {"text": "…", "label": "…"}, but this one is a list.',
  ],
  ['null', 'null', {}, 'but this one is null.'],
  ['a number', '7', {}, 'but this one is a number.'],
  ['a text that is a number', '{"text": 7, "label": 1}', {}, 'r.jsonl:1: the text in column "text" must be a string, but is a number (7).'],
  ['a text that is a list', '{"text": ["a"], "label": 1}', {}, 'r.jsonl:1: the text in column "text" must be a string, but is a list.'],
  ['a text that is null', '{"text": null, "label": 1}', {}, 'r.jsonl:1: the text in column "text" is empty.'],
  [
    'a missing text',
    '{"text": "a", "label": 1}\n\n{"txt": "b", "label": 1}',
    {},
    'r.jsonl:3: there is no column "text". The columns are: "txt", "label".',
  ],
  ['a missing label', '{"text": "a", "label": 1}\n{"text": "b"}', {}, 'r.jsonl:2: the label in column "label" is missing.'],
  [
    'a label that is an object',
    '{"text": "a", "label": {}}',
    {},
    'r.jsonl:1: the label in column "label" must be a string, a number or a truth value, but is an object.',
  ],
  [
    'no text column',
    '{"a": "b", "c": "d", "label": 1}',
    {},
    'r.jsonl:1: there is no column "text". The columns are: "a", "c", "label". Name the text columns with --text.',
  ],
];

test.each(REFUSED)('refuses %s', async (_, lines, options, message) => {
  await expect(read(lines, options)).rejects.toThrow(message);
});

test('finds the place of a stray character anywhere in a record', async () => {
  const record = JSON.stringify({ text: 'a "quoted" text', truth: true, count: -1.5e3, list: [null, false], label: 'pos' });
  // Outside strings, a control character is an error wherever it stands.
  const places = Array.from(record, (_, index) => index).filter(
    (index) => ['{', ',', ':', '[', ']'].includes(record[index] ?? '') && record.slice(0, index).split(/(?<!\\)"/).length % 2 === 1,
  );
  expect(places.length).toBeGreaterThan(10);
  for (const place of places) {
    const broken = `${record.slice(0, place)}\u0001${record.slice(place)}`;
    await expect(read(broken)).rejects.toThrow(`column ${place + 1} (`);
  }
});
