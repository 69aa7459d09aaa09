/**
 * The engine could not be installed, and the user did nothing wrong: a damaged download, a compiler that fails.
 * The message is for the user and says what to do; the command line prints it alone and exits with 1.
 */
export class EngineFailure extends Error {
  override readonly name = 'EngineFailure';
}

/** Takes one line of progress, without its line end. */
export type Log = (line: string) => void;
