import { totalmem } from 'node:os';
import { queryCard } from '../engine/card.ts';
import { currentDevice } from '../engine/device.ts';
import { largestBatch, trainingBytes, type Workload } from '../engine/memory.ts';
import { UserError } from '../../text/errors.ts';

/** What a device has. */
export interface Memory {
  /** As it stands at a sentence's beginning: "The GPU (NVIDIA T4, 16 GB)". */
  readonly holder: string;
  /** Undefined where nothing tells. */
  readonly bytes: number | undefined;
}

/** Of all memory, what the libraries and the system leave. */
const USABLE = 0.9;

/** Whether TensorFlow could not allocate a tensor (its status RESOURCE_EXHAUSTED). */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && /OOM when allocating|RESOURCE_?EXHAUSTED/i.test(error.message);
}

/** The memory of the device that computes. */
export async function deviceMemory(): Promise<Memory> {
  if (currentDevice().kind === 'cpu') {
    const bytes = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
    return { holder: `This machine (${gigabytes(bytes)})`, bytes };
  }
  const card = await queryCard();
  return card === undefined
    ? { holder: 'The GPU', bytes: undefined }
    : { holder: `The GPU (${card.name}, ${gigabytes(card.memoryBytes)})`, bytes: card.memoryBytes };
}

/**
 * What to do where a batch does not fit. Never more than half of what failed: the estimate may be too small.
 *
 * @example outOfMemory({ holder: 'The GPU (NVIDIA T4, 16 GB)', bytes: 16e9 }, workload, 256).message // '… --batch 96 would fit.'
 */
export function outOfMemory({ holder, bytes }: Memory, workload: Workload, batch: number): UserError {
  const failed = `${holder} has too little memory for --batch ${batch}: a training step takes about ${gigabytes(trainingBytes(workload, batch))}.`;
  const half = Math.floor(batch / 2);
  const fits = bytes === undefined ? half : Math.min(half, largestBatch(workload, USABLE * bytes));
  if (fits >= 1) return new UserError(`${failed} --batch ${fits} ${bytes === undefined ? 'takes half of it' : 'would fit'}.`);
  return new UserError(`${failed} Not even one item of a batch fits: take a smaller model (--preset small) or a smaller --bptt.`);
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toPrecision(bytes < 1e9 ? 1 : 2).replace(/e\+\d+$/, '')} GB`;
}
