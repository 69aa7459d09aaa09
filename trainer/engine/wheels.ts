/** A wheel on PyPI. Its Python version matters to pip alone: the libraries inside do not depend on it. */
export interface Wheel {
  readonly project: string;
  readonly version: string;
  /** The tag that pip's `--platform` takes. */
  readonly platform: string;
  /** SHA-256 of the file, as PyPI publishes it. */
  readonly sha256: string;
  readonly bytes: number;
  /** Bytes of the files that are kept of it, rounded up. */
  readonly keptBytes: number;
  /** What is kept: the beginnings of names in the wheel. Its licences are always kept. */
  readonly kept: readonly string[];
  /** Shared libraries it must hold. Those of NVIDIA are loaded in this order. */
  readonly libraries: readonly string[];
}

export const TENSORFLOW_VERSION = '2.21.0';

export const TENSORFLOW_LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'] as const;

/** The library, the headers of its C interface with what they include, and the licences. */
const KEPT_OF_TENSORFLOW = [
  ...TENSORFLOW_LIBRARIES.map((file) => `tensorflow/${file}`),
  'tensorflow/include/tensorflow/c/',
  'tensorflow/include/tensorflow/core/common_runtime/next_pluggable_device/c/',
  'tensorflow/include/tensorflow/core/platform/ctstring',
  'tensorflow/include/tsl/platform/ctstring',
  'tensorflow/include/tsl/platform/platform.h',
  'tensorflow/include/xla/c/',
  'tensorflow/include/xla/tsl/c/',
  'tensorflow/include/LICENSE',
  'tensorflow/THIRD_PARTY_NOTICES.txt',
];

/** By device and `platform-arch`. On arm64 the project `tensorflow` is the CPU build; there is no `tensorflow-cpu`. */
export const TENSORFLOW_WHEELS: Readonly<Record<'cpu' | 'gpu', Readonly<Record<string, Wheel>>>> = {
  cpu: {
    'linux-x64': tensorflow({
      project: 'tensorflow-cpu',
      platform: 'manylinux_2_27_x86_64',
      sha256: '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
      bytes: 273_829_956,
      keptBytes: 860_000_000,
    }),
    'linux-arm64': tensorflow({
      project: 'tensorflow',
      platform: 'manylinux_2_27_aarch64',
      sha256: '4b24aca16d527a3cf1c37f720c04c484c3d20f4d0fdfa98632ac8b9f3be6eb5c',
      bytes: 281_828_020,
      keptBytes: 890_000_000,
    }),
  },
  gpu: {
    'linux-x64': tensorflow({
      project: 'tensorflow',
      platform: 'manylinux_2_27_x86_64',
      sha256: '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124',
      bytes: 572_440_367,
      keptBytes: 1_270_000_000,
    }),
  },
};

/**
 * What `tensorflow[and-cuda]==2.21.0` names and TensorFlow opens before it takes a GPU: the CUDA runtime, cuBLAS, cuFFT, cuSOLVER,
 * cuSPARSE and cuDNN (`TryDlopenCUDALibraries` in tsl/platform/default/dlopen_checker.cc: where one is missing, no GPU is used); and
 * what these open in their turn: nvJitLink (cuSPARSE and cuSOLVER link to it) and NVRTC (cuBLAS and cuDNN compile some kernels with it).
 * Left out, because training does not come to them: NCCL (several GPUs), CUPTI (the profiler), nvcc (XLA) and cuRAND.
 * Each comes after those that it needs: what is loaded is found by its name.
 */
export const NVIDIA_WHEELS: readonly Wheel[] = [
  nvidia('cuda_runtime', ['libcudart.so.12'], {
    version: '12.9.79',
    platform: 'manylinux2014_x86_64',
    sha256: '25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3',
    bytes: 3_493_179,
    keptBytes: 1_000_000,
  }),
  nvidia('cuda_nvrtc', ['libnvrtc.so.12'], {
    version: '12.9.86',
    platform: 'manylinux2010_x86_64',
    sha256: '210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4',
    bytes: 89_568_129,
    keptBytes: 115_000_000,
    besides: ['libnvrtc-builtins.so'],
  }),
  nvidia('nvjitlink', ['libnvJitLink.so.12'], {
    version: '12.9.86',
    platform: 'manylinux2010_x86_64',
    sha256: 'e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9',
    bytes: 39_748_338,
    keptBytes: 97_000_000,
  }),
  nvidia('cublas', ['libcublasLt.so.12', 'libcublas.so.12'], {
    version: '12.9.3.13',
    platform: 'manylinux_2_27_x86_64',
    sha256: 'd7d51055f161b317c7105ddaae90e71eda059026074ffef93cf7cde2886bfe72',
    bytes: 581_217_458,
    keptBytes: 856_000_000,
  }),
  nvidia('cufft', ['libcufft.so.11'], {
    version: '11.4.1.4',
    platform: 'manylinux2014_x86_64',
    sha256: 'c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28',
    bytes: 200_877_592,
    keptBytes: 293_000_000,
  }),
  nvidia('cusparse', ['libcusparse.so.12'], {
    version: '12.5.10.65',
    platform: 'manylinux2014_x86_64',
    sha256: '73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78',
    bytes: 366_465_088,
    keptBytes: 488_000_000,
  }),
  nvidia('cusolver', ['libcusolver.so.11'], {
    version: '11.7.5.82',
    platform: 'manylinux_2_27_x86_64',
    sha256: '15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88',
    bytes: 338_117_415,
    keptBytes: 303_000_000,
  }),
  nvidia('cudnn', ['libcudnn.so.9'], {
    version: '9.28.0.42',
    platform: 'manylinux_2_27_x86_64',
    sha256: '9ff58b7f36dacd0a93e89f8f2957b52466889217963701daa15e577317cfa375',
    bytes: 716_538_495,
    keptBytes: 1_164_000_000,
    // libcudnn itself is a door of 0.1 MB; it opens these when it is first called.
    besides: ['libcudnn_'],
  }),
];

function tensorflow(wheel: Omit<Wheel, 'version' | 'kept' | 'libraries'>): Wheel {
  return { ...wheel, version: TENSORFLOW_VERSION, kept: KEPT_OF_TENSORFLOW, libraries: TENSORFLOW_LIBRARIES };
}

/** @param besides more files to keep, by the beginnings of their names */
function nvidia(
  name: string,
  libraries: readonly string[],
  { besides = [], ...wheel }: Omit<Wheel, 'project' | 'kept' | 'libraries'> & { readonly besides?: readonly string[] },
): Wheel {
  const kept = [...libraries, ...besides].map((file) => `nvidia/${name}/lib/${file}`);
  return { ...wheel, project: `nvidia-${name.replaceAll('_', '-')}-cu12`, kept, libraries };
}
