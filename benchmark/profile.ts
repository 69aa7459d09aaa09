/** Where the time of a training step goes: by part of the step, and by operation of TensorFlow. Runs in this process. */
import { backend, tf, type Scalar } from '../trainer/engine/operations.ts';
import type { Binding } from '../trainer/engine/tensorflow.ts';
import type { Optimizer } from '../trainer/optim/optimizer.ts';
import type { StepProfile } from './profileReport.ts';
import { median } from './statistics.ts';
import { trainingSteps, type TrainingSteps } from './trainingSteps.ts';
import type { Workload } from './workload.ts';

/** Batches of documents, evenly spaced over their lengths, over which a classifier's profile is the mean. */
export const PROFILED_BATCHES = 5;

/**
 * Profiles training steps.
 *
 * @param rounds of measurements, after one that warms up; parts are medians over them, operations means
 */
export function profileSteps(workload: Workload, rounds: number): StepProfile {
  const training = trainingSteps(workload);
  timeParts(training, workload);
  const times = Array.from({ length: rounds }, () => timeParts(training, workload));
  const parts = PARTS.map((name, part) => ({ name, milliseconds: median(times.map((one) => one[part] ?? Number.NaN)) }));
  return { step: parts.reduce((sum, { milliseconds }) => sum + milliseconds, 0), parts, ...timeOperations(training, workload, rounds) };
}

const PARTS = ['input and dropout masks', 'forward pass and loss', 'backward pass', 'clipping and optimizer'] as const;

/** Does a step of each batch; gives the mean milliseconds of each of {@link PARTS}. */
function timeParts(training: TrainingSteps, workload: Workload): number[] {
  const sums = PARTS.map(() => 0);
  const batches = batchesOf(workload);
  for (const number of batches) {
    const marks = [performance.now()];
    const restore = markParts(training.optimizer, () => marks.push(performance.now()));
    try {
      settle(training.step(number));
    } finally {
      restore();
    }
    marks.push(performance.now());
    for (const part of sums.keys()) sums[part] = (sums[part] ?? 0) + (marks[part + 1] ?? 0) - (marks[part] ?? 0);
  }
  return sums.map((sum) => sum / batches.length);
}

/** Calls `mark` in the next steps before the loss is computed, after it, and after the gradients, until the function it gives is called. */
function markParts(optimizer: Optimizer, mark: () => void): () => void {
  const engine: { gradients(...args: unknown[]): unknown } = tf.engine();
  optimizer.step = (rates, loss) => {
    const marked = () => {
      mark();
      const result = loss();
      mark();
      return result;
    };
    (Object.getPrototypeOf(optimizer) as Optimizer).step.call(optimizer, rates, marked);
  };
  // All of tfjs's gradient functions end in this one.
  engine.gradients = (...args) => {
    const result = (Object.getPrototypeOf(engine) as typeof engine).gradients.call(engine, ...args);
    mark();
    return result;
  };
  return () => {
    // The classes' own methods show again.
    Reflect.deleteProperty(optimizer, 'step');
    Reflect.deleteProperty(engine, 'gradients');
  };
}

function batchesOf(workload: Workload): number[] {
  return workload.task === 'lm' ? [0] : [...workload.documents.keys()];
}

/** Waits for the device. */
function settle(loss: Scalar): void {
  loss.dataSync();
  loss.dispose();
}

/** Counts and times every operation of some steps. On a GPU the times are those of issuing them. */
function timeOperations(
  training: TrainingSteps,
  workload: Workload,
  rounds: number,
): Pick<StepProfile, 'operations' | 'outsideOperations'> {
  const times = new Map<string, { milliseconds: number; calls: number }>();
  const restore = interceptOperations((operation, milliseconds) => {
    const sum = times.get(operation) ?? { milliseconds: 0, calls: 0 };
    times.set(operation, { milliseconds: sum.milliseconds + milliseconds, calls: sum.calls + 1 });
  });
  let total = 0;
  try {
    for (let round = 0; round < rounds; round++) total += timeParts(training, workload).reduce((sum, time) => sum + time, 0);
  } finally {
    restore();
  }
  const steps = rounds * batchesOf(workload).length;
  const operations = [...times]
    .map(([operation, { milliseconds, calls }]) => ({ operation, milliseconds: milliseconds / steps, calls: calls / steps }))
    .toSorted((a, b) => b.milliseconds - a.milliseconds);
  const inside = operations.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  return { operations, outsideOperations: total / rounds - inside };
}

/** Has every operation's time reported until the function that it gives is called. */
function interceptOperations(report: (operation: string, milliseconds: number) => void): () => void {
  const holder = backend as { binding: Binding };
  const { binding } = holder;
  // The native functions are read-only, so an object that inherits from them takes their place.
  holder.binding = Object.create(binding, {
    executeOp: {
      value(...args: Parameters<Binding['executeOp']>) {
        const start = performance.now();
        const outputs = binding.executeOp(...args);
        report(args[0], performance.now() - start);
        return outputs;
      },
    },
  }) as Binding;
  return () => {
    holder.binding = binding;
  };
}
