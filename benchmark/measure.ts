import { processorHasBf16 } from '../trainer/engine/precision.ts';
import { Contender, ownContender, type ContenderCommand } from './contender.ts';
import { summarize, type Measurement } from './measurement.ts';
import { LIMIT, OURS, PYTORCH } from './names.ts';
import { peerCommand, type Peer } from './peer.ts';
import type { Skipped } from './statistics.ts';
import { ANY_LOAD, LARGEST_OTHER_LOAD, takeTurns, turnsOf, type Repeat } from './turns.ts';
import type { Workload } from './workload.ts';

export interface MeasureOptions {
  readonly repeats: number;
  /** Steps in a repeat. */
  readonly steps: number;
  readonly peer: Peer;
  readonly log: (line: string) => void;
  /** Measure at once, however busy the machine is: the figures are not what is wanted. */
  readonly anyLoad?: boolean | undefined;
}

/**
 * Measures a workload: this project's training steps, PyTorch's, and the step's matrix products alone, in turns within one run.
 *
 * @throws Error where a contender fails
 */
export async function measure(workload: Workload, { repeats, steps, peer, log, anyLoad }: MeasureOptions): Promise<Measurement> {
  const turns = turnsOf(workload.task, steps);
  const commands = [ourCommand(OURS, 'ours', workload), peerCommand(PYTORCH, workload, peer), ourCommand(LIMIT, 'limit', workload)];
  const missing = unavailable(workload);
  const contenders: Contender[] = [];
  const skipped = new Map<string, Skipped>();
  try {
    for (const command of commands) {
      if (missing !== undefined) skipped.set(command.name, missing);
      else if ('skipped' in command) skipped.set(command.name, { skipped: command.skipped });
      else contenders.push(await Contender.start(command, workload, log));
    }
    if (contenders.length === 0)
      return summarize({ workload, turns, contenders, skipped, orders: [], seconds: new Map(), otherLoad: [], discarded: 0 });
    const onRepeat = (number: number, { seconds, otherLoad }: Repeat) => {
      const taken = [...seconds].map(([name, value]) => `${name} ${value.toFixed(2)} s`);
      const disturbed = otherLoad > LARGEST_OTHER_LOAD ? `  (disturbed: others kept ${otherLoad.toFixed(1)} processors busy)` : '';
      log(`${workload.preset} ${workload.task} ${workload.precision}: repeat ${number}  ${taken.join(', ')}${disturbed}`);
    };
    const outcome = await takeTurns(contenders, { repeats, turns, onRepeat, ...(anyLoad === true && ANY_LOAD) });
    return summarize({ ...outcome, workload, turns, contenders, skipped });
  } finally {
    await Promise.all(contenders.map(async (contender) => contender.stop()));
  }
}

/** Why this machine cannot do a workload. */
function unavailable({ device, precision }: Workload): Skipped | undefined {
  if (device === 'gpu' || precision === 'fp32' || (precision === 'bf16' && processorHasBf16())) return undefined;
  return { skipped: `this processor has no instructions for ${precision}` };
}

function ourCommand(name: string, module: string, { device, precision }: Workload): ContenderCommand {
  return ownContender(name, module, { ULMFIT_DEVICE: device, ULMFIT_PRECISION: precision });
}
