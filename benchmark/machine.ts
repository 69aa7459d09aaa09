import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';

/** What decides how fast a machine trains. */
export interface Machine {
  readonly processor: string;
  /** Processors that a program may use. */
  readonly processors: number;
  readonly memoryGibibytes: number;
  /** Instructions for 512-bit vectors, and for products of 16-bit numbers. */
  readonly instructions: readonly string[];
}

/** Flags of /proc/cpuinfo that matter to matrix products; of arm64, its own. */
const INSTRUCTIONS = ['avx2', 'avx512f', 'avx512_bf16', 'amx_tile', 'amx_bf16', 'asimd', 'sve', 'bf16'];

/** The machine this runs on. */
export function thisMachine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    processors: availableParallelism(),
    memoryGibibytes: Math.round(totalmem() / 2 ** 30),
    instructions: instructionsOf(readFileSync('/proc/cpuinfo', 'utf8')),
  };
}

/** @param cpuinfo text of /proc/cpuinfo */
export function instructionsOf(cpuinfo: string): string[] {
  const flags = new Set(/^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1]?.split(' '));
  return INSTRUCTIONS.filter((flag) => flags.has(flag));
}
