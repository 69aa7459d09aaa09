import { expect, it } from 'vitest';

import { inWords, shownFigure } from './words.ts';

it('writes names as a person would', () => {
  expect(['loss', 'validationLoss', 'macroF1', 'rootMeanSquaredError', 'r2', 'sizes.hidden'].map(inWords)).toEqual([
    'loss',
    'validation loss',
    'macro F1',
    'root mean squared error',
    'r2',
    'sizes.hidden',
  ]);
});

it('writes shares in percent, and other figures as they are', () => {
  expect(shownFigure('accuracy', 0.9345)).toBe('93.5 %');
  expect(shownFigure('loss', 0.9345)).toBe('0.9345');
  expect(shownFigure('tokens', 12_345)).toBe('12,345');
  expect([undefined, null].map((value) => shownFigure('loss', value))).toEqual(['–', '–']);
  expect(shownFigure('kind', 'classifier')).toBe('classifier');
});
