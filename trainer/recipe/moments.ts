import { tf, type Tensor } from '../engine/operations.ts';
import type { Optimizer, TrainedParameters } from '../optim/optimizer.ts';
import { UserError } from '../../text/errors.ts';

/** Counters of the optimizer's memory, by tensor. */
export interface MomentCounts {
  /** Updates made by Adam. */
  readonly updates: Readonly<Record<string, number>>;
  /** Values in each average, once averaging has begun. */
  readonly averaged?: Readonly<Record<string, number>>;
}

/** The optimizer's memory as named tensors and counters, for a checkpoint. */
export function storeMoments(optimizer: Optimizer): { moments: Map<string, Tensor>; counts: MomentCounts } {
  const moments = new Map<string, Tensor>();
  const updates: Record<string, number> = {};
  for (const [name, { first, second, updates: count }] of optimizer.moments) {
    moments.set(`moments.first.${name}`, first);
    moments.set(`moments.second.${name}`, second);
    updates[name] = count;
  }
  if (optimizer.averages === undefined) return { moments, counts: { updates } };
  const averaged: Record<string, number> = {};
  for (const [name, { mean, count }] of optimizer.averages) {
    moments.set(`moments.average.${name}`, mean);
    averaged[name] = count;
  }
  return { moments, counts: { updates, averaged } };
}

/**
 * Puts parameters and the optimizer's memory back as a checkpoint holds them.
 *
 * @throws UserError where the checkpoint is of a model with other sizes
 */
export function restoreMoments(optimizer: Optimizer, tensors: ReadonlyMap<string, Tensor>, { updates, averaged }: MomentCounts): void {
  refuseOtherShapes(optimizer.parameters, tensors);
  const take = (name: string): Tensor => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new Error(`the checkpoint has no tensor ${name}`);
    return tf.keep(tensor);
  };
  for (const [name, old] of optimizer.parameters) {
    old.dispose();
    optimizer.parameters.set(name, take(name));
  }
  optimizer.forget();
  for (const [name, count] of Object.entries(updates)) {
    optimizer.moments.set(name, { first: take(`moments.first.${name}`), second: take(`moments.second.${name}`), updates: count });
  }
  if (averaged === undefined) return;
  optimizer.averages = new Map(Object.entries(averaged).map(([name, count]) => [name, { mean: take(`moments.average.${name}`), count }]));
}

function refuseOtherShapes(parameters: TrainedParameters, tensors: ReadonlyMap<string, Tensor>): void {
  const stored = [...tensors.keys()].filter((name) => !/^(moments|state|lossScale|best)\./.test(name));
  const shape = (tensor: Tensor | undefined): string => (tensor === undefined ? 'not there' : `[${tensor.shape.join(', ')}]`);
  for (const name of new Set([...parameters.keys(), ...stored])) {
    const [before, now] = [shape(tensors.get(name)), shape(parameters.get(name))];
    if (before !== now) {
      throw new UserError(
        `Cannot resume: ${name} was ${before} when the run began and is ${now} now. Give the same sizes and data, or another --out to begin anew.`,
      );
    }
  }
}
