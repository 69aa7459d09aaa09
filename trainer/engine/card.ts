import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './tools.ts';

/** The oldest driver of NVIDIA that runs programs made for CUDA 12 (CUDA 12 release notes, table of minor version compatibility). */
export const OLDEST_DRIVER = '525.60.13';

/**
 * Why no NVIDIA GPU can be used, as far as can be seen without loading anything; undefined where there seems to be one.
 *
 * @param devices where the system lists its devices
 */
export function cardMissing(environment: NodeJS.ProcessEnv = process.env, devices = '/dev'): string | undefined {
  const visible = environment['CUDA_VISIBLE_DEVICES']?.trim();
  // CUDA takes the list up to the first entry that is no device, so these hide every one.
  if (visible !== undefined && (visible === '' || visible.startsWith('-1') || visible === 'NoDevFiles')) {
    return `CUDA_VISIBLE_DEVICES is "${visible}", which hides every GPU: unset it, or name a GPU, such as 0`;
  }
  // nvidiactl is there with a loaded driver, dxg in WSL 2.
  if (['nvidiactl', 'dxg'].some((name) => existsSync(join(devices, name)))) return undefined;
  return (
    `this machine shows no NVIDIA GPU (there is no ${join(devices, 'nvidiactl')}): install NVIDIA's driver, ${OLDEST_DRIVER} or newer, ` +
    'and start a container with its GPUs (`docker run --gpus all`)'
  );
}

/** What the driver's own tool says of a card. */
export interface Card {
  readonly name: string;
  readonly memoryBytes: number;
  /** Memory that no program holds. */
  readonly freeBytes: number;
  readonly driver: string;
}

/** Asks `nvidia-smi` about the first card; undefined where there is none, or no such program. */
export async function queryCard(): Promise<Card | undefined> {
  const fields = '--query-gpu=name,memory.total,memory.free,driver_version';
  const outcome = await run(['nvidia-smi'], [fields, '--format=csv,noheader,nounits']);
  return outcome?.status === 0 ? parseCard(outcome.stdout) : undefined;
}

/** @param text what `nvidia-smi` prints for the fields above, in MiB */
export function parseCard(text: string): Card | undefined {
  const [name, total, free, driver] = (text.split('\n')[0] ?? '').split(',').map((field) => field.trim());
  if (name === undefined || driver === undefined || !Number(total)) return undefined;
  return { name, memoryBytes: Number(total) * 2 ** 20, freeBytes: Number(free) * 2 ** 20, driver };
}
