import { describe, expect, it } from 'vitest';

import { tokenize } from '../text/tokenizer.ts';
import { expectedAnswer, writeTinyBundle } from '../test/fixtures/tinyClassifier.ts';
import { temporaryFolder } from '../test/temporaryFolder.ts';
import { readBundle, readParityDocuments } from './bundleFolder.ts';
import { parityFileText, parityTexts, parseParityFile } from './parityDocuments.ts';

describe('parityTexts', () => {
  it('takes the first documents, a word, and a text of several chunks', () => {
    const texts = parityTexts([['xxbos', 'xxmaj', 'good', 'film', '!'], ['xxbos'], tokenize('Dull.')]);
    expect(texts.slice(0, 3)).toEqual(['Good film!', 'Dull.', 'Good']);
    expect(texts[3]?.split(' ')).toHaveLength(400);
    expect(texts).toHaveLength(4);
  });

  it('leaves out very long documents, and does without any', () => {
    const long = ['xxbos', ...Array.from({ length: 30_000 }, () => 'film')];
    expect(Math.max(...parityTexts([long, ['xxbos', 'good']]).map((text) => text.length))).toBeLessThan(20_000);
    expect(parityTexts([['xxbos'], []])).toEqual([]);
  });
});

describe('the file in a bundle', () => {
  it("holds the trainer's answers to texts as they are typed", async () => {
    const folder = await temporaryFolder();
    const { models } = await writeTinyBundle(`${folder}/pair`, { task: 'multiLabel', backward: {} });
    const documents = await readParityDocuments(await readBundle(`${folder}/pair`));
    expect(documents.length).toBeGreaterThan(3);
    for (const { text, answer } of documents) {
      for (const [label, value] of expectedAnswer(models, tokenize(text)).entries()) expect(answer[label]).toBeCloseTo(value, 5);
    }
  });

  it.each(['', '{}', '{"documents": []}', '{"documents": [{"text": "good", "answer": ["0.5"]}]}'])(
    'is refused where it says %s',
    (text) => {
      expect(() => parseParityFile(text)).toThrow('parity.json does not hold documents with answers');
    },
  );

  it('is read as it was written', () => {
    const documents = [{ text: 'Good \u0000 film', answer: [0.25, 0.75] }];
    expect(parseParityFile(parityFileText(documents))).toEqual(documents);
  });
});
