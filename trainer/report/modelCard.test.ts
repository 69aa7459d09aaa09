import { describe, expect, it } from 'vitest';
import type { ModelDescription } from '../checkpoint/modelFolder.ts';
import { classifierCard } from './modelCard.ts';

const DESCRIPTION: ModelDescription = {
  schemaVersion: 1,
  kind: 'classifier',
  tokenizerVersion: 1,
  direction: 'forward',
  sizes: { vocabulary: 60, embedding: 6, hidden: 8, layers: 2 },
  labels: ['neg', 'pos'],
  chunkLength: 10,
  created: '2026-01-31T12:00:00.000Z',
};

describe('classifierCard', () => {
  it.each<[what: string, changes: Partial<ModelDescription>]>([
    ['one of 2 labels: `neg`, `pos`', {}],
    ['any of 2 labels: `neg`, `pos`', { task: 'multiLabel' }],
    ['a number', { task: 'regression', labels: [] }],
    ['a number between 0 and 10', { task: 'regression', labels: [], range: [0, 10] }],
  ])('says that it answers with %s', (what, changes) => {
    expect(classifierCard({ ...DESCRIPTION, ...changes }, {})).toContain(`\nAnswers with ${what}.\n`);
  });
});
