import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { ExplainedWord, Explanation } from '../../text/explanation.ts';
import { explanationJson, scaleOf, shownChange, shownValue, strongestWords } from './explanation.ts';
import { curveSvg } from './explanationCurve.ts';
import { explanationPage } from './explanationPage.ts';
import { explanationText } from './explanationText.ts';

/** An explanation of a text of words and spaces. */
function explained(
  words: readonly (readonly [text: string, value: number, occlusion?: number])[],
  more: Partial<Explanation> = {},
): Explanation {
  const text = words.map(([word]) => word).join(' ');
  const start = 'start' in more ? more.start : 0.5;
  let at = 0;
  const list = words.map(([word, value, occlusion], index): ExplainedWord => {
    const first = at;
    at += word.length + 1;
    const before = index === 0 ? start : words[index - 1]?.[1];
    return {
      text: word,
      start: first,
      end: first + word.length,
      value,
      change: before === undefined ? undefined : value - before,
      occlusion,
      isUnknown: word === 'zorkmid',
    };
  });
  const last = words.at(-1)?.[1] ?? 0.5;
  return {
    task: 'singleLabel',
    label: 'pos',
    labels: ['neg', 'pos'],
    answer: Float32Array.of(1 - last, last),
    value: last,
    text,
    words: list,
    direction: 'forward',
    start,
    last,
    isPair: false,
    occlusion: 'unknown',
    occluded: list.filter(({ occlusion }) => occlusion !== undefined).length,
    ...more,
  };
}

const REVIEW = explained([
  ['A', 0.5, 0.001],
  ['warm', 0.62, 0.08],
  ['zorkmid', 0.6, 0],
  ['plot', 0.4, -0.2],
  ['but', 0.42, 0.01],
  ['great', 0.75, 0.25],
]);
const NUMBER = explained(
  [
    ['Good', 3.2, 0.4],
    ['food', 4.125, -0.05],
  ],
  { task: 'regression', label: undefined, labels: [], start: 2.5, value: 4.125, answer: Float32Array.of(4.125) },
);
const page = (...explanations: Explanation[]) => explanationPage(explanations, { model: 'models/reviews' });

describe('explanationText', () => {
  it('is plain without colour: the curve, the strongest words, how they were measured', () => {
    expect(explanationText(REVIEW, { colour: false })).toBe(`"pos" while reading: 50.0 % ▅▅▅▄▄▇ 75.0 %

word               place  occlusion  after it  change
great                  6      +25.0    75.0 %   +33.0
plot                   4      -20.0    40.0 %   -20.0
warm                   2       +8.0    62.0 %   +12.0
but                    5       +1.0    42.0 %    +2.0
A                      1       +0.1    50.0 %     0.0
zorkmid (unknown)      3        0.0    60.0 %    -2.0

Occlusion: what the answer loses with xxunk in the word's place, in percentage points; above 0 the word speaks for "pos".`);
  });

  it('colours words by how strongly they speak for the answer or against it', () => {
    const coloured = explanationText(REVIEW, { colour: true });
    const [text = ''] = coloured.split('\n');
    expect(text).toBe(
      'A \u001b[36mwarm\u001b[39m zorkmid \u001b[31m\u001b[1m\u001b[7mplot\u001b[27m\u001b[22m\u001b[39m but ' +
        '\u001b[36m\u001b[1m\u001b[7mgreat\u001b[27m\u001b[22m\u001b[39m',
    );
    expect(stripVTControlCharacters(coloured)).toBe(`${REVIEW.text}\n\n${explanationText(REVIEW, { colour: false })}`);
  });

  it('does not colour words that contribute next to nothing, even where none contributes more', () => {
    const dull = explained([
      ['so', 0.5, 0.0009],
      ['so', 0.5, -0.0015],
    ]);
    expect(explanationText(dull, { colour: true }).split('\n')[0]).toBe('so so');
  });

  it('shows control characters of a text, so that no terminal obeys them', () => {
    const evil = explained([['\u001b[2Jgone\u0007', 0.9, 0.4]], { text: '\u001b[2Jgone\u0007\u009b31m\nnext', label: 'la\u001bbel' });
    for (const colour of [true, false]) {
      const text = explanationText(evil, { colour });
      for (const order of ['\u001b[2J', '\u0007', '\u009b']) expect(text).not.toContain(order);
      expect(text).toContain('\ufffd[2Jgone\ufffd');
    }
  });

  it('fits its curve into the terminal, the last of several words for each bar', () => {
    const long = explained(Array.from({ length: 500 }, (_, index) => ['word', index / 500, 0] as const));
    const [line = ''] = explanationText(long, { colour: false, columns: 60 }).split('\n');
    expect(line.length).toBeLessThanOrEqual(60);
    expect(line).toMatch(/▁▁.*▂.*▃.*▄.*▅.*▆.*▇.*██ 99\.8 %$/);
  });

  it('says where only some words were occluded, where two models answer, where one reads backwards', () => {
    const text = (more: Partial<Explanation>) => explanationText({ ...REVIEW, ...more }, { colour: false });
    expect(text({ occluded: 3 })).toContain('Only the 3 of 6 words that move the answer most while it is read were occluded.');
    expect(text({ isPair: true })).toContain(
      "The curve is the forward model's; the answer and the occlusion are the mean of both models'.",
    );
    expect(text({ direction: 'backward', start: undefined })).toContain('"pos" while reading: ▇▄▄▅▅▅ 75.0 %');
    expect(text({ direction: 'backward' })).toContain('reads from the end to the beginning');
    expect(text({ occlusion: 'leftOut' })).toContain('what the answer loses without the word, in');
  });

  it('shows numbers on a scale of their own', () => {
    expect(explanationText(NUMBER, { colour: false })).toBe(`the number while reading: 2.5 ▄█ 4.13

word  place  occlusion  after it  change
Good      1       +0.4       3.2    +0.7
food      2      -0.05      4.13  +0.925

Occlusion: what the answer loses with xxunk in the word's place, in the unit of the answer; above 0 the word speaks for the number.`);
  });

  it('says so where there are no words', () => {
    expect(explanationText(explained([]), { colour: true })).toContain('The document has no words.');
  });
});

describe('explanationPage', () => {
  it('needs no other file, and no script', async () => {
    const html = await page(REVIEW);
    expect(html).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(html.trimEnd()).toMatch(/<\/html>$/);
    expect(html).not.toMatch(/<script|<link|<img|<iframe|@import|url\(|https?:|src=/);
  });

  it('takes no markup from texts, labels or the name of the model', async () => {
    const attack = `<script>alert("x")</script><img src=x onerror='y'>&amp;`;
    const html = await explanationPage([explained([[attack, 0.9, 0.5]], { label: attack, labels: [attack, 'b'] })], { model: attack });
    expect(html).not.toMatch(/<script|<img|onerror='/);
    expect(html.split('&lt;script&gt;alert(').length).toBeGreaterThan(6);
    expect(html).toContain('&amp;amp;');
  });

  it('says every number as text: of each word, of each label', async () => {
    const html = (await page(REVIEW)).replaceAll(/>\s+</g, '><');
    expect(html).toContain(
      '<span dir="auto" lang="">great</span></th><td class="number">6</td><td class="number">+25.0</td>' +
        '<td class="number">75.0 %</td><td class="number">+33.0</td></tr>',
    );
    expect(html).toContain('title="occlusion +25.0, &quot;pos&quot; after it 75.0 % (+33.0)">great</span>');
    expect(html).toContain('zorkmid</span><small>unknown to the model</small>');
    expect(html).toMatch(/neg<\/th><td class="bar"[^>]*>25\.0 %</);
    expect(html).toContain('All 6 words as a table');
  });

  it('tells words for and against the answer apart by more than colour', async () => {
    const html = await page(REVIEW);
    expect(html).toContain('<span class="for" style="--strength:100%" title');
    expect(html).toContain('<span class="against" style="--strength:80%" title');
    expect(html).toMatch(/\.for \{[^}]*border-bottom-style: solid/);
    expect(html).toMatch(/\.against \{[^}]*border-bottom-style: dashed/);
    expect(html).toMatch(/<span title="[^"]*">A<\/span>/);
  });

  it('is light or dark as the reader has it', async () => {
    expect(await page(REVIEW)).toMatch(/prefers-color-scheme: dark[^}]*--for/);
  });

  it('holds several texts, with ids of their own', async () => {
    const html = await page(REVIEW, NUMBER, explained([]));
    const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(ids).toEqual(['text-1', 'text-1-title', 'text-1-curve', 'text-2', 'text-2-title', 'text-2-curve', 'text-3', 'text-3-title']);
    expect(html).toContain('<p>The document has no words.</p>');
    expect(html).toContain('2. 4.13</h2>');
  });

  it('marks the labels that are given, where there may be several', async () => {
    const html = await page({ ...REVIEW, task: 'multiLabel', labels: ['a', 'b', 'c'], answer: Float32Array.of(0.7, 0.2, 0.5), label: 'a' });
    expect([...html.matchAll(/<th scope="row" class="text">([abc][^<]*)</g)].map(([, label]) => label)).toEqual([
      'a (given)',
      'c (given)',
      'b',
    ]);
  });

  it('lists no more labels than can be read', async () => {
    const labels = Array.from({ length: 40 }, (_, index) => `label ${index}`);
    const html = await page({ ...REVIEW, labels, answer: Float32Array.from(labels, (_, index) => index / 780) });
    expect(html.match(/<td class="bar"/g)).toHaveLength(12);
    expect(html).toContain('Answer (and 28 labels more)');
  });

  it('keeps the text as it is, line breaks and all', async () => {
    const html = await page({ ...REVIEW, text: REVIEW.text.replace('warm zorkmid', 'warm\nzorkmid') });
    const [, shown = ''] = /<p class="document"[^>]*>([\s\S]*?)<\/p>/.exec(html) ?? [];
    expect(shown.replaceAll(/<[^>]*>/g, '')).toBe('A warm\nzorkmid plot but great');
  });
});

const svg = async (...given: Parameters<typeof curveSvg>) => `${await curveSvg(...given)}`;

describe('curveSvg', () => {
  it('draws the start and a point after each word, 0 to 100 %', async () => {
    const [, points = ''] = /points="([^"]*)"/.exec(await svg(REVIEW, 'id')) ?? [];
    const heights = points.split(' ').map((point) => Number(point.split(',')[1]));
    expect(heights).toHaveLength(7);
    // The plot is from 210 (0 %) up to 30 (100 %).
    expect(heights).toEqual([0.5, 0.5, 0.62, 0.6, 0.4, 0.42, 0.75].map((value) => Math.round((210 - 180 * value) * 10) / 10));
    expect(await svg(REVIEW, 'id')).toContain('<title id="id">&quot;pos&quot; while 6 words are read: from 50.0 % to 75.0 %</title>');
  });

  it('tells a word at each place, or at each of the places that can be told apart', async () => {
    expect((await svg(REVIEW, 'id')).match(/class="place"/g)).toHaveLength(6);
    expect(await svg(REVIEW, 'id')).toContain('6. “great” 75.0 % (+33.0)');
    const long = explained(Array.from({ length: 4321 }, (_, index) => [`w${index + 1}`, 0.5] as const));
    const drawn = await svg(long, 'id');
    expect(drawn.match(/class="place"/g)?.length).toBeLessThanOrEqual(400);
    expect(drawn).toContain('“w4321”');
  });

  it('begins at the last word where a model reads backwards', async () => {
    const drawn = await svg({ ...REVIEW, direction: 'backward', start: undefined }, 'id');
    const [, points = ''] = /points="([^"]*)"/.exec(drawn) ?? [];
    expect(points.split(' ')).toHaveLength(6);
    expect(drawn.indexOf('“great”')).toBeLessThan(drawn.indexOf('“warm”'));
  });

  it('holds one value that never moves', async () => {
    const flat = { ...NUMBER, start: 3, last: 3, words: NUMBER.words.map((word) => ({ ...word, value: 3 })) };
    expect(scaleOf(flat)).toEqual([2.5, 3.5]);
    expect(await svg(flat, 'id')).not.toMatch(/NaN|Infinity/);
  });
});

it('explanationJson has every word with its numbers', () => {
  expect(explanationJson(REVIEW)).toEqual({
    explained: 'pos',
    start: 0.5,
    occludedBy: 'unknown',
    words: [
      { word: 'A', probability: 0.5, occlusion: 0.001 },
      { word: 'warm', probability: 0.62, occlusion: 0.08 },
      { word: 'zorkmid', probability: 0.6, occlusion: 0, unknown: true },
      { word: 'plot', probability: 0.4, occlusion: -0.2 },
      { word: 'but', probability: 0.42, occlusion: 0.01 },
      { word: 'great', probability: 0.75, occlusion: 0.25 },
    ],
  });
  expect(explanationJson(NUMBER)).toMatchObject({
    start: 2.5,
    words: [
      { word: 'Good', value: 3.2 },
      { word: 'food', value: 4.125 },
    ],
  });
  expect(explanationJson(explained([['so', 0.5]]))).toMatchObject({ words: [{ word: 'so', occlusion: null }] });
});

it('strongestWords ranks by size and leaves out what was not occluded', () => {
  const words = strongestWords(
    explained([
      ['a', 0.5, 0.1],
      ['b', 0.5],
      ['c', 0.5, -0.3],
      ['d', 0.5, 0.2],
    ]),
    2,
  );
  expect(words.map(({ text, place }) => [text, place])).toEqual([
    ['c', 3],
    ['d', 4],
  ]);
});

it('numbers are shown with the digits that matter', () => {
  expect([0.5, 1e-7, 12_345.6].map((value) => shownValue(NUMBER, value))).toEqual(['0.5', '1e-7', '12346']);
  expect([0.0004, -0.0004, 0.0006, undefined].map((change) => shownChange(REVIEW, change))).toEqual(['0.0', '0.0', '+0.1', '']);
});
