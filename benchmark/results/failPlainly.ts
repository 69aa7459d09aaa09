import { UserError } from '../../text/errors.ts';

/** Runs a script: what its user did wrong is told in a sentence, with exit code 2. */
export async function failPlainly(script: () => Promise<void>): Promise<void> {
  try {
    await script();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    console.error(error.message);
    process.exitCode = 2;
  }
}
