import { UserError } from '../../text/errors.ts';
import { NVIDIA_WHEELS, TENSORFLOW_VERSION, TENSORFLOW_WHEELS, type Wheel } from './wheels.ts';

/** What decides which build of TensorFlow runs here. */
export interface Machine {
  /** `process.platform` */
  readonly platform: string;
  /** `process.arch` */
  readonly arch: string;
  /** Version of the GNU C library, such as `2.36`; undefined where Node runs on another C library (musl). */
  readonly glibc: string | undefined;
}

/** What computes. */
export type DeviceKind = 'cpu' | 'gpu';

/** One build of TensorFlow's C library, and the wheels on PyPI that hold it and what it needs. */
export interface EngineBuild {
  /** Names the library's folder in the cache: version, device, platform and processor. */
  readonly name: string;
  readonly tensorflow: string;
  /** What it is made for. The build for GPUs computes on the processor as well. */
  readonly device: DeviceKind;
  readonly wheel: Wheel;
  /** NVIDIA's libraries, in the order in which they are loaded; none in the build for processors. */
  readonly nvidia: readonly Wheel[];
}

/** The wheels are built against this version of the GNU C library (`manylinux_2_27`). */
const OLDEST_GLIBC = '2.27';

/** The machine this process runs on. */
export function thisMachine(): Machine {
  return { platform: process.platform, arch: process.arch, glibc: glibcVersion() };
}

/**
 * Chooses the build of TensorFlow for a machine.
 *
 * @throws UserError where there is none: the message says what to do instead
 * @example engineBuild({ platform: 'linux', arch: 'x64', glibc: '2.36' }).name // 'tensorflow-2.21.0-cpu-linux-x64'
 */
export function engineBuild(machine: Machine = thisMachine(), device: DeviceKind = 'cpu'): EngineBuild {
  const cpu = TENSORFLOW_WHEELS.cpu[`${machine.platform}-${machine.arch}`];
  if (cpu === undefined) {
    throw new UserError(
      `The training engine runs on Linux, on x64 and arm64 processors, and this is ${machine.platform} on ${machine.arch}: ` +
        'train on a Linux machine, in a Linux container or in WSL 2.',
    );
  }
  if (machine.glibc === undefined) {
    throw new UserError(
      'The training engine needs a Linux with the GNU C library, and this one has another (Alpine, perhaps): ' +
        'use a Debian, Ubuntu or Fedora system or container.',
    );
  }
  if (olderThan(machine.glibc, OLDEST_GLIBC)) {
    throw new UserError(
      `The training engine needs GNU C library ${OLDEST_GLIBC} or newer, and this system has ${machine.glibc}: ` +
        'use a newer Linux, such as Debian 11 or Ubuntu 20.04.',
    );
  }
  const wheel = device === 'cpu' ? cpu : TENSORFLOW_WHEELS.gpu[`${machine.platform}-${machine.arch}`];
  if (wheel === undefined) {
    throw new UserError(
      `TensorFlow is published for GPUs on x64 processors alone, and this is ${machine.arch}: train on the processor, without --gpu.`,
    );
  }
  const name = `tensorflow-${TENSORFLOW_VERSION}-${device}-${machine.platform}-${machine.arch}`;
  return { name, tensorflow: TENSORFLOW_VERSION, device, wheel, nvidia: device === 'gpu' ? NVIDIA_WHEELS : [] };
}

function glibcVersion(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  // Without this the report looks up every network interface, which may take seconds.
  (process.report as { excludeNetwork?: boolean }).excludeNetwork = true;
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime;
}

function olderThan(version: string, other: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [otherMajor = 0, otherMinor = 0] = other.split('.').map(Number);
  return major < otherMajor || (major === otherMajor && minor < otherMinor);
}
