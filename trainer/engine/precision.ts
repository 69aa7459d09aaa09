import { readFileSync } from 'node:fs';
import { UserError } from '../../text/errors.ts';
import type { DeviceKind } from './platform.ts';

/**
 * The type in which large matrix products multiply. They add up in 32 bits in any case, and everything else (the LSTM cell, softmax,
 * losses, Adam, the weights themselves) stays in 32 bits: what Micikevicius et al. 2018 call mixed precision.
 */
export const PRECISIONS = ['fp32', 'bf16', 'fp16'] as const;
export type Precision = (typeof PRECISIONS)[number];

let requested: Precision | undefined;
let current: Precision | undefined;

/** Asks for a precision: it holds for the whole process from now on. */
export function requestPrecision(precision: Precision): void {
  requested = precision;
  current = undefined;
}

/**
 * What was asked for: by {@link requestPrecision}, else by the variable ULMFIT_PRECISION, else `fp32`.
 *
 * @throws UserError where the variable is none of the precisions
 */
export function requestedPrecision(environment: NodeJS.ProcessEnv = process.env): Precision {
  if (requested !== undefined) return requested;
  const named = environment['ULMFIT_PRECISION'];
  if (!named) return 'fp32';
  const precision = PRECISIONS.find((one) => one === named);
  if (precision === undefined) throw new UserError(`ULMFIT_PRECISION is "${named}"; it can be ${PRECISIONS.join(', ')}.`);
  return precision;
}

/** The precision of large matrix products in this process. */
export function currentPrecision(): Precision {
  current ??= requestedPrecision();
  return current;
}

/** Runs `body` in another precision, synchronously. For comparisons and tests: any precision goes on any device. */
export function withPrecision<Result>(precision: Precision, body: () => Result): Result {
  const before = currentPrecision();
  current = precision;
  try {
    return body();
  } finally {
    current = before;
  }
}

/**
 * Looks whether the device suits the precision that was asked for.
 *
 * @returns what the user should know, where it works but brings nothing
 * @throws UserError for fp16 without a GPU
 */
export function precisionNotice(precision: Precision, device: DeviceKind, hasBf16: () => boolean = processorHasBf16): string | undefined {
  if (device === 'gpu' || precision === 'fp32') return undefined;
  if (precision === 'fp16') throw new UserError('--precision fp16 needs a GPU. On a processor use bf16 or fp32.');
  return hasBf16() ? undefined : 'This processor has no bf16 instructions, so --precision bf16 will be slower here than fp32.';
}

/** Whether this processor multiplies bf16 matrices itself: AVX-512 or AMX on x64, the bf16 extension on arm64. */
export function processorHasBf16(cpuInfo: string = readCpuInfo()): boolean {
  const [, features = ''] = /^(?:flags|Features)\s*:(.*)$/m.exec(cpuInfo) ?? [];
  const names = new Set(features.trim().split(/\s+/));
  return ['avx512_bf16', 'amx_bf16', 'bf16'].some((name) => names.has(name));
}

function readCpuInfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}
