import { availableParallelism } from 'node:os';
import type { Precision } from '../trainer/engine/precision.ts';
import { thisMachine, type Machine } from './machine.ts';
import { measure, type MeasureOptions } from './measure.ts';
import type { Measurement } from './measurement.ts';
import { presetWorkload, type DeviceName, type Workload } from './workload.ts';

/** What is varied, and how it is told. */
export interface Sweep {
  readonly name: SweepName;
  readonly title: string;
  /** What the values count. */
  readonly unit: string;
  readonly values: readonly number[];
  /** The workload of a value; everything else is the small preset's. */
  readonly workload: (value: number, base: WorkloadBase) => Workload;
}

export type SweepName = 'batch' | 'hidden' | 'vocabulary' | 'documentLength';

/** What all workloads of a scaling benchmark share. */
export interface WorkloadBase {
  readonly device: DeviceName;
  readonly precision: Precision;
  readonly threads: number;
  readonly steps: number;
}

/** Documents of one length each, that nothing but the length is varied. */
const DOCUMENTS = 16;

export const SWEEPS: readonly Sweep[] = [
  {
    name: 'batch',
    title: 'Batch size (language model)',
    unit: 'streams',
    values: [8, 16, 32, 64, 128],
    workload: (batch, base) => ({ ...small('lm', base), batch }),
  },
  {
    name: 'hidden',
    title: 'Hidden size (language model)',
    unit: 'units of a layer',
    values: [128, 256, 512, 1024],
    workload: (hidden, base) => withSizes(small('lm', base), { hidden }),
  },
  {
    name: 'vocabulary',
    title: 'Vocabulary (language model)',
    unit: 'words',
    values: [7_500, 15_000, 30_000, 60_000],
    workload: (vocabulary, base) => withSizes(small('lm', base), { vocabulary }),
  },
  {
    name: 'documentLength',
    title: 'Document length (classifier)',
    unit: 'tokens of a document',
    values: [72, 144, 288, 576, 1152, 2304],
    workload: (length, base) => ({
      ...small('classifier', base),
      documents: Array.from({ length: base.steps }, () => new Array<number>(DOCUMENTS).fill(length)),
    }),
  },
];

/** One value of a sweep. */
export interface ScalingPoint {
  readonly value: number;
  readonly measurement: Measurement;
  /**
   * How a step's time grows with its arithmetic from the value before to this one: the exponent of a power law. 1 is proportional,
   * less is better than that, more is superlinear. Absent at a sweep's first value.
   */
  readonly growth?: number;
}

export interface ScalingSweep {
  readonly name: SweepName;
  readonly title: string;
  readonly unit: string;
  readonly points: readonly ScalingPoint[];
}

/** The whole result of `ulmfit benchmark scaling`. */
export interface ScalingBenchmark {
  readonly benchmark: 'scaling';
  /** ISO date and time. */
  readonly created: string;
  readonly machine: Machine;
  readonly device: DeviceName;
  readonly precision: Precision;
  readonly repeats: number;
  readonly sweeps: readonly ScalingSweep[];
}

export interface ScalingOptions extends Omit<MeasureOptions, 'peer'> {
  readonly device: DeviceName;
  readonly precision: Precision;
}

/** Measures how training speed depends on each size, the others being the small preset's. */
export async function scalingBenchmark(options: ScalingOptions, sweeps: readonly Sweep[] = SWEEPS): Promise<ScalingBenchmark> {
  const { device, precision, repeats, steps, log, anyLoad } = options;
  const base = { device, precision, steps, threads: availableParallelism() };
  const peer = { skipped: 'this benchmark measures ulmfit alone' };
  const measured: ScalingSweep[] = [];
  for (const { name, title, unit, values, workload } of sweeps) {
    const points: ScalingPoint[] = [];
    for (const value of values) {
      const onLine = (line: string) => log(`${value} ${unit}: ${line}`);
      const measurement = await measure(workload(value, base), { repeats, steps, peer, anyLoad, log: onLine });
      const before = points.at(-1)?.measurement;
      points.push({ value, measurement, ...(before !== undefined && { growth: growthBetween(before, measurement) }) });
    }
    measured.push({ name, title, unit, points });
  }
  return { benchmark: 'scaling', created: new Date().toISOString(), machine: thisMachine(), device, precision, repeats, sweeps: measured };
}

/** Exponent of time against floating-point operations between two measurements; NaN where one was skipped. */
export function growthBetween(before: Measurement, after: Measurement): number {
  return Math.log(secondsOf(after) / secondsOf(before)) / Math.log(operationsOfRepeat(after) / operationsOfRepeat(before));
}

function secondsOf({ ours, tokens }: Measurement): number {
  return 'skipped' in ours ? Number.NaN : tokens / ours.tokensPerSecond.median;
}

function operationsOfRepeat({ operationsPerToken, tokens }: Measurement): number {
  return operationsPerToken * tokens;
}

function small(task: Workload['task'], base: WorkloadBase): Workload {
  return presetWorkload({ ...base, preset: 'small', task });
}

function withSizes(workload: Workload, sizes: Partial<Workload['sizes']>): Workload {
  return { ...workload, sizes: { ...workload.sizes, ...sizes } };
}
