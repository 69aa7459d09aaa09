import { UserError } from '../../text/errors.ts';
import { cardMissing } from './card.ts';
import { cacheFolder, engineLayout, isInstalled } from './cache.ts';
import { engineBuild, thisMachine, type DeviceKind } from './platform.ts';

/** What a user may ask for. `auto` takes the GPU where its engine is installed and one answers, and the processor elsewhere. */
export const DEVICE_CHOICES = ['auto', 'cpu', 'gpu'] as const;
export type DeviceChoice = (typeof DEVICE_CHOICES)[number];

/** What computes in this process. */
export interface Device {
  readonly kind: DeviceKind;
  /** Why no GPU computes, where the build for GPUs is loaded without one. */
  readonly withoutGpu?: string;
}

/** Which build is loaded, and what happens with the GPU: a `welcome` one may be missing, a `hidden` one is not touched. */
export interface EngineChoice {
  readonly build: DeviceKind;
  readonly card: 'required' | 'welcome' | 'hidden';
}

/** What the choice depends on. */
export interface Surroundings {
  readonly cpuInstalled: boolean;
  readonly gpuInstalled: boolean;
  /** Why there is no build for GPUs for this machine. */
  readonly gpuUnsupported: string | undefined;
  /** Why no GPU can be used, as far as can be seen from outside. */
  readonly cardMissing: string | undefined;
}

let requested: DeviceChoice | undefined;
let current: Device | undefined;

/** Asks for a device. Only before the engine is loaded, because a process has one engine. */
export function requestDevice(choice: DeviceChoice): void {
  if (current !== undefined && choice !== requestedDevice()) throw new Error('The engine is loaded already; its device cannot be changed.');
  requested = choice;
}

/**
 * What was asked for: by {@link requestDevice}, else by the variable ULMFIT_DEVICE, else `auto`.
 *
 * @throws UserError where the variable is none of the choices
 */
export function requestedDevice(environment: NodeJS.ProcessEnv = process.env): DeviceChoice {
  if (requested !== undefined) return requested;
  const named = environment['ULMFIT_DEVICE'];
  if (!named) return 'auto';
  const choice = DEVICE_CHOICES.find((one) => one === named);
  if (choice === undefined) throw new UserError(`ULMFIT_DEVICE is "${named}"; it can be ${DEVICE_CHOICES.join(', ')}.`);
  return choice;
}

/**
 * The device that computes in this process, once the engine is loaded.
 *
 * @example if (currentDevice().kind === 'gpu') …
 */
export function currentDevice(): Device {
  if (current === undefined) throw new Error('The engine is not loaded yet, so it has no device.');
  return current;
}

/** Called by the loader of the engine alone. */
export function settleDevice(device: Device): void {
  current = device;
}

/**
 * Chooses what to load. Pure: {@link lookAround} says what there is.
 *
 * @throws UserError where what was asked for is not there; the message names what is missing and the cure
 */
export function chooseEngine(choice: DeviceChoice, around: Surroundings): EngineChoice {
  if (choice === 'gpu') return requireGpu(around);
  if (choice === 'auto' && around.gpuInstalled && around.cardMissing === undefined) return { build: 'gpu', card: 'welcome' };
  if (around.cpuInstalled) return { build: 'cpu', card: 'hidden' };
  if (around.gpuInstalled) return { build: 'gpu', card: 'hidden' };
  throw new UserError('The training engine is not installed. Run `npx ulmfit setup` (about 280 MB to download, once).');
}

function requireGpu({ gpuUnsupported, gpuInstalled, cardMissing: missing }: Surroundings): EngineChoice {
  const cure = 'Or train on the processor, with --device cpu.';
  if (gpuUnsupported !== undefined) throw new UserError(`No GPU can be used here. ${gpuUnsupported}`);
  if (!gpuInstalled) {
    const besides = missing === undefined ? '' : ` Besides, ${missing}.`;
    throw new UserError(
      `The engine for GPUs is not installed. Run \`npx ulmfit setup --gpu\` (about 2.9 GB to download, once).${besides} ${cure}`,
    );
  }
  if (missing !== undefined) throw new UserError(`No GPU can be used: ${missing}. ${cure}`);
  return { build: 'gpu', card: 'required' };
}

/** What is installed here, and whether there is a GPU. */
export function lookAround(): Surroundings {
  const machine = thisMachine();
  const cache = cacheFolder();
  let gpuUnsupported: string | undefined;
  let gpuInstalled = false;
  const cpuInstalled = isInstalled(engineLayout(cache, engineBuild(machine, 'cpu')));
  try {
    gpuInstalled = isInstalled(engineLayout(cache, engineBuild(machine, 'gpu')));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    gpuUnsupported = error.message;
  }
  return { cpuInstalled, gpuInstalled, gpuUnsupported, cardMissing: cardMissing() };
}
