import { UserError } from '../../text/errors.ts';

/** What decides which build of TensorFlow runs here. */
export interface Machine {
  /** `process.platform` */
  readonly platform: string;
  /** `process.arch` */
  readonly arch: string;
  /** Version of the GNU C library, such as `2.36`; undefined where Node runs on another C library (musl). */
  readonly glibc: string | undefined;
}

/** One build of TensorFlow's C library, and the wheel on PyPI that holds it. */
export interface EngineBuild {
  /** Names the library's folder in the cache: version, device, platform and processor. */
  readonly name: string;
  readonly tensorflow: string;
  readonly device: 'cpu';
  readonly wheel: Wheel;
}

/** A wheel on PyPI. Its Python version matters to pip alone: the library inside does not depend on it. */
export interface Wheel {
  readonly project: string;
  /** The tag that pip's `--platform` takes. */
  readonly platform: string;
  /** SHA-256 of the file, as PyPI publishes it. */
  readonly sha256: string;
  readonly bytes: number;
  /** Bytes of the files that are kept of it, rounded up. */
  readonly keptBytes: number;
}

const TENSORFLOW_VERSION = '2.21.0';

/** The wheels are built against this version of the GNU C library (`manylinux_2_27`). */
const OLDEST_GLIBC = '2.27';

/** By `platform-arch`. On arm64 the project `tensorflow` is the CPU build; there is no `tensorflow-cpu`. */
const WHEELS: Readonly<Record<string, Wheel>> = {
  'linux-x64': {
    project: 'tensorflow-cpu',
    platform: 'manylinux_2_27_x86_64',
    sha256: '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
    bytes: 273_829_956,
    keptBytes: 860_000_000,
  },
  'linux-arm64': {
    project: 'tensorflow',
    platform: 'manylinux_2_27_aarch64',
    sha256: '4b24aca16d527a3cf1c37f720c04c484c3d20f4d0fdfa98632ac8b9f3be6eb5c',
    bytes: 281_828_020,
    keptBytes: 890_000_000,
  },
};

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
export function engineBuild(machine: Machine = thisMachine()): EngineBuild {
  const wheel = WHEELS[`${machine.platform}-${machine.arch}`];
  if (wheel === undefined) {
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
  const name = `tensorflow-${TENSORFLOW_VERSION}-cpu-${machine.platform}-${machine.arch}`;
  return { name, tensorflow: TENSORFLOW_VERSION, device: 'cpu', wheel };
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
