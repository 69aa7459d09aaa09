import { inspect } from 'node:util';

import { CommanderError } from '@commander-js/extra-typings';

import { UserError } from '../../text/errors.ts';

/** The exit code of a program that ends with this error: 2 for the user's mistakes, 1 for failures; help and version are no errors. */
export function exitCodeOf(error: unknown): 0 | 1 | 2 {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  return error instanceof UserError ? 2 : 1;
}

/**
 * What the user is told of an error: the message. Nothing of what commander has told already.
 *
 * @param debug tells where it happened as well
 */
export function failureText(error: unknown, debug: boolean): string | undefined {
  if (error instanceof CommanderError) return undefined;
  if (debug) return inspect(error);
  const message = error instanceof Error ? error.message : String(error);
  return error instanceof UserError ? message : `${message}\nSet ULMFIT_DEBUG=1 to see where this happened.`;
}
