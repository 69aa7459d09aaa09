/** What the platform allows, and what a deployment measures against it. */
import { UserError } from '../../text/errors.ts';

const MEBIBYTE = 1024 * 1024;

/** The platform's limits (developers.cloudflare.com/workers/platform/limits), and stricter ones of our own, which leave room. */
export const LIMITS = {
  /** Code and WebAssembly before compression. The platform takes 64 MiB; an isolate has 128 MB for everything. */
  codeBytes: 16 * MEBIBYTE,
  /** Parsing and running the Worker's global scope, in processor time. */
  startupMilliseconds: 1000,
  /** One file of the model. The platform takes 25 MiB. */
  assetBytes: 24 * MEBIBYTE,
  /** Files of one version on the free plan; a paid one has more. */
  assets: 20_000,
  /** One secret. */
  secretBytes: 5 * 1024,
} as const;

/** What was measured of a built Worker with its model. */
export interface Measured {
  readonly codeBytes: number;
  readonly codeGzipBytes: number;
  readonly assets: readonly { readonly name: string; readonly bytes: number }[];
  readonly startupMilliseconds: number;
}

/** One line of the report. */
export interface Finding {
  readonly what: string;
  readonly found: string;
  readonly limit: string;
  readonly isWithin: boolean;
}

/**
 * The measurements beside their limits.
 *
 * @example
 * findings({ codeBytes: 15e6, codeGzipBytes: 4e6, assets: [{ name: 'bundle.json', bytes: 1000 }], startupMilliseconds: 300 });
 * // [{ what: 'code', found: '14.3 MiB, 3.8 MiB compressed', limit: '16 MiB', isWithin: true }, …]
 */
export function findings({ codeBytes, codeGzipBytes, assets, startupMilliseconds }: Measured): Finding[] {
  const largest = assets.reduce((most, asset) => (asset.bytes > most.bytes ? asset : most), { name: '', bytes: 0 });
  const total = assets.reduce((sum, { bytes }) => sum + bytes, 0);
  return [
    {
      what: 'code',
      found: `${mebibytes(codeBytes)} MiB, ${mebibytes(codeGzipBytes)} MiB compressed`,
      limit: `${LIMITS.codeBytes / MEBIBYTE} MiB`,
      isWithin: codeBytes <= LIMITS.codeBytes,
    },
    {
      what: 'model',
      found: `${assets.length} files, ${mebibytes(total)} MiB, the largest (${largest.name}) ${mebibytes(largest.bytes)} MiB`,
      limit: `${LIMITS.assets} files of ${LIMITS.assetBytes / MEBIBYTE} MiB`,
      isWithin: largest.bytes <= LIMITS.assetBytes && assets.length <= LIMITS.assets,
    },
    {
      what: 'start-up',
      found: `${Math.round(startupMilliseconds)} ms on this machine`,
      limit: `${LIMITS.startupMilliseconds} ms`,
      isWithin: startupMilliseconds <= LIMITS.startupMilliseconds,
    },
  ];
}

/** @throws UserError that names everything over its limit. */
export function requireWithin(found: readonly Finding[]): void {
  const over = found.filter(({ isWithin }) => !isWithin);
  if (over.length === 0) return;
  throw new UserError(
    `The platform would not take this Worker: ${over.map(({ what, found: value, limit }) => `${what}: ${value}, where the limit is ${limit}`).join('; ')}. ` +
      'Deploy with 8-bit weights (--int8), or train a smaller model.',
  );
}

export const mebibytes = (bytes: number): string => (bytes / MEBIBYTE).toFixed(1);
