import { availableParallelism } from 'node:os';
import type { Precision } from '../trainer/engine/precision.ts';
import type { Preset } from '../trainer/model/presets.ts';
import { thisMachine, type Machine } from './machine.ts';
import { measure } from './measure.ts';
import type { Measurement } from './measurement.ts';
import type { Peer } from './peer.ts';
import { presetWorkload, type DeviceName, type TaskName } from './workload.ts';

/** The whole result of `ulmfit benchmark train`. */
export interface TrainingBenchmark {
  readonly benchmark: 'train';
  /** ISO date and time. */
  readonly created: string;
  readonly machine: Machine;
  readonly repeats: number;
  readonly measurements: readonly Measurement[];
}

export interface TrainingBenchmarkOptions {
  readonly presets: readonly Preset[];
  readonly tasks: readonly TaskName[];
  readonly device: DeviceName;
  readonly precision: Precision;
  readonly repeats: number;
  /** Steps of a repeat; by default what {@link STEPS} says. */
  readonly steps?: number | undefined;
  readonly vocabulary?: number | undefined;
  readonly peer: Peer;
  readonly log: (line: string) => void;
  /** See `MeasureOptions` in measure.ts. */
  readonly anyLoad?: boolean | undefined;
}

/** Steps of a repeat: windows of text, or batches of documents. */
export const STEPS: Readonly<Record<TaskName, number>> = { lm: 4, classifier: 5 };

/** Measures the training speed of each task and preset. */
export async function trainingBenchmark(options: TrainingBenchmarkOptions): Promise<TrainingBenchmark> {
  const { presets, tasks, device, precision, repeats, vocabulary, peer, log, anyLoad } = options;
  const threads = availableParallelism();
  const measurements: Measurement[] = [];
  for (const task of tasks) {
    for (const preset of presets) {
      const steps = options.steps ?? STEPS[task];
      const workload = presetWorkload({ preset, task, device, precision, threads, steps, vocabulary });
      measurements.push(await measure(workload, { repeats, steps, peer, log, anyLoad }));
    }
  }
  return { benchmark: 'train', created: new Date().toISOString(), machine: thisMachine(), repeats, measurements };
}
