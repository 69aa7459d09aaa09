import { expect, it } from 'vitest';
import { suggestion } from './suggestion.ts';

const NAMES = ['full', 'full-discr', 'chain-thaw', 'scratch'];

it.each([
  ['chainthaw', ' Did you mean "chain-thaw"?'],
  ['scrach', ' Did you mean "scratch"?'],
  ['ful', ' Did you mean "full"?'],
  ['full-dsicr', ' Did you mean "full-discr"?'],
  ['elephant', ''],
])('%s', (typed, expected) => {
  expect(suggestion(typed, NAMES)).toBe(expected);
});
