import { CommanderError } from '@commander-js/extra-typings';
import { expect, test } from 'vitest';

import { UserError } from '../../text/errors.ts';
import { exitCodeOf, failureText } from './failure.ts';

test('tells mistakes of the user, failures and mere help apart', () => {
  expect(exitCodeOf(new UserError('wrong'))).toBe(2);
  expect(exitCodeOf(new CommanderError(1, 'commander.unknownOption', 'wrong'))).toBe(2);
  expect(exitCodeOf(new CommanderError(0, 'commander.helpDisplayed', ''))).toBe(0);
  expect(exitCodeOf(new Error('broken'))).toBe(1);
  expect(exitCodeOf('broken')).toBe(1);
});

test('tells the message alone, and on demand where it happened', () => {
  expect(failureText(new UserError('reviews.csv is empty.'), false)).toBe('reviews.csv is empty.');
  expect(failureText(new Error('broken'), false)).toBe('broken\nSet ULMFIT_DEBUG=1 to see where this happened.');
  expect(failureText('broken', false)).toBe('broken\nSet ULMFIT_DEBUG=1 to see where this happened.');
  expect(failureText(new Error('broken', { cause: new Error('deeper') }), true)).toMatch(/broken[^]*failure\.test\.ts[^]*deeper/);
  expect(failureText(new CommanderError(1, 'commander.unknownOption', 'told already'), false)).toBeUndefined();
});
