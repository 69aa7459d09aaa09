import { largeProducts, operationsOf, operationsOfProduct } from './matrixProducts.ts';
import { LIMIT, OURS, PYTORCH } from './names.ts';
import { pairedRatios, spread, type Skipped, type Spread } from './statistics.ts';
import type { TurnsOutcome } from './turns.ts';
import { tokensOf, type Workload } from './workload.ts';

/** Speed and memory of one contender. */
export interface Speed {
  readonly tokensPerSecond: Spread;
  /** Classifier training only. */
  readonly documentsPerSecond?: Spread;
  /** The most memory that its process held (resident set), in MiB. */
  readonly peakMebibytes: number;
  readonly versions: Readonly<Record<string, string>>;
}

/** The rate of the machine's matrix products, and how fast a step would be that did nothing else. */
export interface Limit {
  readonly gigaflops: Spread;
  readonly tokensPerSecond: Spread;
}

/** What was measured of one workload. */
export interface Measurement {
  readonly task: Workload['task'];
  readonly preset: string;
  readonly device: Workload['device'];
  readonly precision: Workload['precision'];
  readonly sizes: Workload['sizes'];
  readonly batch: number;
  readonly chunk: number;
  readonly threads: number;
  /** Steps of a repeat, and tokens of these steps. */
  readonly steps: number;
  readonly tokens: number;
  /** Floating-point operations of matrix products a token, forward and backward, on average. */
  readonly operationsPerToken: number;
  readonly ours: Speed | Skipped;
  readonly pytorch: Speed | Skipped;
  readonly limit: Limit | Skipped;
  /** Ours over PyTorch's tokens a second; absent where one of them was skipped. */
  readonly ratioToPytorch?: Spread;
  /** Ours over the limit's tokens a second. */
  readonly shareOfLimit?: Spread;
  /** Processors that something else kept busy, each repeat: see `Repeat` in turns.ts. */
  readonly otherLoad?: Spread;
  /** Repeats that were measured again because others had disturbed them. */
  readonly discarded: number;
  /** The contenders in the order of their turns, each repeat. */
  readonly orders: TurnsOutcome['orders'];
}

/** What of a contender the summary needs. */
export interface Measured {
  readonly name: string;
  readonly versions: Readonly<Record<string, string>>;
  peakMebibytes(): number;
}

export interface RawMeasurement extends TurnsOutcome {
  readonly workload: Workload;
  readonly turns: readonly (readonly number[])[];
  readonly contenders: readonly Measured[];
  readonly skipped: ReadonlyMap<string, Skipped>;
}

/** Makes speeds and ratios of seconds. */
export function summarize(raw: RawMeasurement): Measurement {
  const { workload, turns } = raw;
  const steps = turns.flat();
  const tokens = tokensOf(workload, steps);
  const operationsPerToken = operationsOf(workload, steps) / tokens;
  const ours = speedOf(OURS, raw, tokens);
  const pytorch = speedOf(PYTORCH, raw, tokens);
  const limit = limitOf(raw, operationsPerToken);
  const { task, preset, device, precision, sizes, batch, chunk, threads } = workload;
  return {
    task,
    preset,
    device,
    precision,
    sizes,
    batch,
    chunk,
    threads,
    steps: steps.length,
    tokens,
    operationsPerToken,
    ours,
    pytorch,
    limit,
    ...ratio('ratioToPytorch', ours, pytorch),
    ...ratio('shareOfLimit', ours, limit),
    discarded: raw.discarded,
    orders: raw.orders,
    ...(raw.otherLoad.length > 0 && { otherLoad: spread(raw.otherLoad) }),
  };
}

function speedOf(name: string, { workload, turns, seconds, contenders, skipped }: RawMeasurement, tokens: number): Speed | Skipped {
  const contender = contenders.find((one) => one.name === name);
  const taken = seconds.get(name);
  if (contender === undefined || taken === undefined) return skipped.get(name) ?? { skipped: 'it did not run' };
  const documents = turns.flat().length * workload.batch;
  return {
    tokensPerSecond: spread(taken.map((one) => tokens / one)),
    ...(workload.task === 'classifier' && { documentsPerSecond: spread(taken.map((one) => documents / one)) }),
    peakMebibytes: contender.peakMebibytes(),
    versions: contender.versions,
  };
}

function limitOf({ workload, turns, seconds, skipped }: RawMeasurement, operationsPerToken: number): Limit | Skipped {
  const taken = seconds.get(LIMIT);
  if (taken === undefined) return skipped.get(LIMIT) ?? { skipped: 'it did not run' };
  // A turn of this contender is one pass over all products.
  const operations = turns.length * largeProducts(workload).reduce((sum, product) => sum + operationsOfProduct(product), 0);
  const rates = taken.map((one) => operations / one);
  return {
    gigaflops: spread(rates.map((rate) => rate / 1e9)),
    tokensPerSecond: spread(rates.map((rate) => rate / operationsPerToken)),
  };
}

function ratio<Name extends string>(name: Name, ours: Speed | Skipped, other: Speed | Limit | Skipped): { [key in Name]?: Spread } {
  if ('skipped' in ours || 'skipped' in other) return {};
  return { [name]: pairedRatios(ours.tokensPerSecond.all, other.tokensPerSecond.all) } as { [key in Name]: Spread };
}
