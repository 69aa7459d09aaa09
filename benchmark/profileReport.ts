import type { Precision } from '../trainer/engine/precision.ts';
import type { Rows } from './tables.ts';
import type { DeviceName, TaskName } from './workload.ts';

/** Time of a step, in milliseconds. */
export interface StepProfile {
  readonly step: number;
  /** Parts in their order; together they are the step. */
  readonly parts: readonly { readonly name: string; readonly milliseconds: number }[];
  /** Operations of TensorFlow, those that take longest first. */
  readonly operations: readonly OperationTime[];
  /** What is left: JavaScript between the operations. */
  readonly outsideOperations: number;
}

export interface OperationTime {
  readonly operation: string;
  readonly milliseconds: number;
  /** Calls a step. */
  readonly calls: number;
}

/** The whole result of `ulmfit benchmark profile`. */
export interface ProfileResult extends StepProfile {
  readonly benchmark: 'profile';
  readonly preset: string;
  readonly task: TaskName;
  readonly device: DeviceName;
  readonly precision: Precision;
}

/**
 * A profile as the rows of a table.
 *
 * @param top operations that are shown one by one
 */
export function profileRows({ step, parts, operations, outsideOperations }: StepProfile, top: number): Rows {
  const profiled = outsideOperations + operations.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const row = (name: string, milliseconds: number, of: number, calls = '') => [
    name,
    milliseconds.toFixed(milliseconds < 10 ? 1 : 0),
    `${((100 * milliseconds) / of).toFixed(1)} %`,
    calls,
  ];
  const others = operations.slice(top);
  return [
    ['part of the step', 'ms', 'share', ''],
    ...parts.map(({ name, milliseconds }) => row(name, milliseconds, step)),
    row('step', step, step),
    ['', '', '', ''],
    ['operation', 'ms', 'share', 'calls'],
    ...operations.slice(0, top).map(({ operation, milliseconds, calls }) => row(operation, milliseconds, profiled, calls.toFixed(0))),
    row(
      `${others.length} others`,
      others.reduce((sum, { milliseconds }) => sum + milliseconds, 0),
      profiled,
    ),
    row('outside of operations', outsideOperations, profiled),
  ];
}
