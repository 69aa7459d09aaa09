import { EngineFailure } from '../engine/failure.ts';
import { installEngine } from '../engine/install.ts';

/** What the command line can set. */
export interface SetupOptions {
  /** The build for GPUs. */
  readonly gpu?: boolean | undefined;
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
    const device = options.gpu ? 'gpu' : 'cpu';
    const { layout, already, check } = await installEngine({ device, log: (line) => console.error(line) });
    if (options.json) {
      const { tensorflow, device: computes, withoutGpu } = check;
      console.log(JSON.stringify({ tensorflow, build: device, device: computes, withoutGpu, folder: layout.root, already }));
    } else {
      const state = already ? 'was installed already and works' : 'is installed';
      console.log(
        `The training engine${options.gpu ? ' for GPUs' : ''} ${state}: TensorFlow ${check.tensorflow} (${check.device}) in ${layout.root}`,
      );
      if (check.withoutGpu !== undefined)
        console.log(`It computes on the processor for now, because no GPU can be used: ${check.withoutGpu}.`);
    }
  } catch (error) {
    if (!(error instanceof EngineFailure)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
