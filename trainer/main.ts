import { createProgram } from './cli.ts';
import { exitCodeOf, failureText } from './report/failure.ts';

/**
 * Runs the command line and leaves the exit code in `process.exitCode`: 0 done, 1 failed, 2 wrong usage or bad input.
 *
 * @param args what stands after the program's name
 */
export async function main(args: readonly string[]): Promise<void> {
  stopWithReader(process.stdout);
  try {
    await createProgram().parseAsync(args, { from: 'user' });
  } catch (error) {
    const text = failureText(error, process.env['ULMFIT_DEBUG'] === '1');
    if (text !== undefined) console.error(text);
    process.exitCode = exitCodeOf(error);
  }
}

/** Ends the program quietly when nobody reads its output any more, as in `ulmfit … | head`. */
function stopWithReader(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}
