import { EngineFailure } from '../engine/failure.ts';
import { installEngine } from '../engine/install.ts';

/** What the command line can set. */
export interface SetupOptions {
  /** Print the result as one JSON object. */
  readonly json?: boolean | undefined;
}

/**
 * `ulmfit setup`: installs the training engine once for all projects of this user, or repairs it.
 *
 * @throws UserError where this machine lacks something; the message names the cure
 */
export async function setup(options: SetupOptions = {}): Promise<void> {
  try {
    const { layout, already, check } = await installEngine({ log: (line) => console.error(line) });
    if (options.json) {
      console.log(JSON.stringify({ tensorflow: check.tensorflow, device: check.device, folder: layout.root, already }));
    } else {
      const state = already ? 'was installed already and works' : 'is installed';
      console.log(`The training engine ${state}: TensorFlow ${check.tensorflow} (${check.device}) in ${layout.root}`);
    }
  } catch (error) {
    if (!(error instanceof EngineFailure)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
