import type { CommandUnknownOpts } from '@commander-js/extra-typings';

import { requestDevice } from '../engine/device.ts';
import { requestPrecision } from '../engine/precision.ts';
import type { ComputationOptions } from './options.ts';

/** Takes a choice of device and precision. It comes before a command's code is loaded, because that loads the engine. */
export function settleComputation({ device = 'auto', precision = 'fp32' }: Partial<ComputationOptions>): void {
  requestDevice(device);
  requestPrecision(precision);
}

/** The same for a command that lets its user choose. */
export function settleDeviceOf(command: CommandUnknownOpts): void {
  if (command.options.some(({ long }) => long === '--device')) settleComputation(command.opts() as Partial<ComputationOptions>);
}
