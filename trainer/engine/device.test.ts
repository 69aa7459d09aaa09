import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UserError } from '../../text/errors.ts';
import { cacheFolder, engineLayout, isInstalled } from './cache.ts';
import { cardMissing, parseCard } from './card.ts';
import { chooseEngine, requestedDevice, type Surroundings } from './device.ts';
import { reasonWithoutGpu } from './nvidiaLibraries.ts';
import { engineBuild, thisMachine } from './platform.ts';
import { UNSUPPORTED, start } from './testSupport.ts';

const NOTHING: Surroundings = { cpuInstalled: false, gpuInstalled: false, gpuUnsupported: undefined, cardMissing: 'no card' };
const CPU = { cpuInstalled: true };
const GPU = { gpuInstalled: true };
const CARD = { cardMissing: undefined };

describe('the choice', () => {
  test.each([
    ['auto', { ...CPU }, 'cpu', 'hidden'],
    ['auto', { ...CPU, ...CARD }, 'cpu', 'hidden'],
    ['auto', { ...CPU, ...GPU }, 'cpu', 'hidden'],
    ['auto', { ...CPU, ...GPU, ...CARD }, 'gpu', 'welcome'],
    ['auto', { ...GPU }, 'gpu', 'hidden'],
    ['cpu', { ...CPU, ...GPU, ...CARD }, 'cpu', 'hidden'],
    ['cpu', { ...GPU, ...CARD }, 'gpu', 'hidden'],
    ['gpu', { ...GPU, ...CARD }, 'gpu', 'required'],
  ] as const)('%s with %j: the build for %s, its card %s', (choice, around, build, card) => {
    expect(chooseEngine(choice, { ...NOTHING, ...around })).toEqual({ build, card });
  });

  test.each([
    ['auto', {}, /^The training engine is not installed\. Run `npx ulmfit setup`/],
    ['cpu', { ...CARD }, /^The training engine is not installed\. Run `npx ulmfit setup`/],
    [
      'gpu',
      { ...CPU, ...CARD },
      /^The engine for GPUs is not installed\. Run `npx ulmfit setup --gpu` \(about 2\.9 GB to download, once\)\. Or /,
    ],
    ['gpu', { ...CPU }, /setup --gpu` .*\. Besides, no card\. Or train on the processor, with --device cpu\.$/],
    ['gpu', { ...GPU }, /^No GPU can be used: no card\. Or train/],
    ['gpu', { gpuUnsupported: 'Not for arm64.' }, /^No GPU can be used here\. Not for arm64\.$/],
  ] as const)('%s with %j is refused with the cure', (choice, around, message) => {
    const attempt = () => chooseEngine(choice, { ...NOTHING, ...around });
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(message);
  });

  test('the variable names the device, and a wrong one is refused', () => {
    expect(requestedDevice({})).toBe('auto');
    expect(requestedDevice({ ULMFIT_DEVICE: '' })).toBe('auto');
    expect(requestedDevice({ ULMFIT_DEVICE: 'gpu' })).toBe('gpu');
    expect(() => requestedDevice({ ULMFIT_DEVICE: 'cuda' })).toThrow(/^ULMFIT_DEVICE is "cuda"; it can be auto, cpu, gpu\.$/);
  });
});

describe('the card', () => {
  let devices: string;
  beforeEach(() => {
    devices = mkdtempSync(join(tmpdir(), 'ulmfit-devices-'));
  });
  afterEach(() => rmSync(devices, { recursive: true }));

  test.each(['nvidiactl', 'dxg'])('is there where the driver shows %s', (name) => {
    expect(cardMissing({}, devices)).toMatch(/^this machine shows no NVIDIA GPU \(there is no .*nvidiactl\): install NVIDIA's driver, 525/);
    writeFileSync(join(devices, name), '');
    expect(cardMissing({}, devices)).toBeUndefined();
    expect(cardMissing({ CUDA_VISIBLE_DEVICES: '1' }, devices)).toBeUndefined();
  });

  test.each(['', '-1', 'NoDevFiles'])('is hidden by CUDA_VISIBLE_DEVICES=%j', (hidden) => {
    mkdirSync(join(devices, 'nvidiactl'));
    expect(cardMissing({ CUDA_VISIBLE_DEVICES: hidden }, devices)).toMatch(
      /^CUDA_VISIBLE_DEVICES is ".*", which hides every GPU: unset it/,
    );
  });

  test('is described by nvidia-smi', () => {
    expect(parseCard('NVIDIA H200, 143771, 143154, 570.86.15\nNVIDIA H200, 1, 1, 1\n')).toEqual({
      name: 'NVIDIA H200',
      memoryBytes: 143_771 * 2 ** 20,
      freeBytes: 143_154 * 2 ** 20,
      driver: '570.86.15',
    });
    expect(parseCard('No devices were found\n')).toBeUndefined();
  });
});

describe('why there is no GPU', () => {
  const driver = 'libcuda.so.1: cannot open shared object file';
  test.each([
    [
      ['/cache/libcublas.so.12: file too short', driver],
      [],
      /^NVIDIA's libraries do not load \(.*libcublas\.so\.12: file too short\); `npx ulmfit setup --gpu`/,
    ],
    [
      [driver],
      ['E0000 00:00:1.5 17 cuda_platform.cc:52] failed call to cuInit'],
      /^NVIDIA's driver does not load \(libcuda\.so\.1: .*\); install it/,
    ],
    [
      [],
      ['E0000 00:00:1.5 17 cuda_platform.cc:52] failed call to cuInit: ERROR (100)'],
      /^TensorFlow finds none .* on \(failed call to cuInit: ERROR \(100\)\); see that/,
    ],
    [[], [], /^TensorFlow finds none that it can compute on; see that `nvidia-smi` works/],
  ])('%j and %j', (unopened, lines, expected) => {
    expect(reasonWithoutGpu(unopened, lines)).toMatch(expected);
  });
});

// The build for GPUs, on a machine that has it and no GPU.
const gpuInstalled = !UNSUPPORTED && process.arch === 'x64' && isInstalled(engineLayout(cacheFolder(), engineBuild(thisMachine(), 'gpu')));
const NO_GPU_BUILD = gpuInstalled
  ? cardMissing() === undefined && 'there is a GPU'
  : 'the engine for GPUs is not installed: run `npx ulmfit setup --gpu`';

describe.skipIf(NO_GPU_BUILD)('the build for GPUs without a GPU', () => {
  const load = (card: string) =>
    start(
      `import { loadEngine } from ${JSON.stringify(new URL('./tensorflow.ts', import.meta.url).href)};
      try {
        const { tf, device } = loadEngine({ build: 'gpu', card: ${JSON.stringify(card)} });
        console.log(JSON.stringify({ device, product: [...tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3], [4]])).dataSync()] }));
      } catch (error) {
        console.log(error.name, error.message);
      }`,
      { TF_CPP_MIN_LOG_LEVEL: undefined },
    ).ending;

  test('computes on the processor without a word, where no GPU is wanted', async () => {
    const { stdout, stderr } = await load('hidden');
    expect(JSON.parse(stdout)).toEqual({ device: { kind: 'cpu' }, product: [11] });
    expect(stderr).toBe('');
  });

  test('computes on the processor and knows why, where a GPU is welcome', async () => {
    const { stdout, stderr } = await load('welcome');
    expect(JSON.parse(stdout)).toMatchObject({ device: { kind: 'cpu', withoutGpu: expect.stringContaining('driver') }, product: [11] });
    expect(stderr).toBe('');
  });

  test('is refused where a GPU is required', async () => {
    const { stdout } = await load('required');
    expect(stdout).toMatch(/^UserError No GPU can be used: NVIDIA's driver does not load/);
  });
});
