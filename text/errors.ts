/**
 * A mistake of the person who uses the program: bad input, a missing file, an impossible option.
 * The command line prints the message alone, without a stack trace, and exits with 2.
 * The message says what was wrong, where, and what to do about it.
 */
export class UserError extends Error {
  override readonly name = 'UserError';
}
