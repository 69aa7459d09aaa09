import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ModelSizes } from '../../export/bundle.ts';
import { prepareAssets } from '../../workers/prepare.ts';
import { thisMachine, type Machine } from '../machine.ts';
import { pairedRatios, spread, type Spread } from '../statistics.ts';
import { randomText, writeRandomBundle } from './randomBundle.ts';
import { buildWorker, emptyWorker, RunningWorker, type BuiltWorker } from './workerd.ts';

/** What the Worker runs a model on. */
export type Engine = 'kernel' | 'onnxruntime';

/** Processor time of a request on each engine. */
export interface Comparison {
  readonly preset: 'small' | 'base';
  readonly words: number;
  /** Milliseconds of processor time of a whole request, tokenizing and HTTP included. */
  readonly kernel: Spread;
  readonly onnxruntime: Spread;
  /** Kernel over onnxruntime, of neighbouring measurements. */
  readonly ratio: Spread;
}

/** Documents of growing length on the kernel. */
export interface LengthMeasurement {
  readonly words: number;
  readonly milliseconds: number;
  readonly peakMebibytes: number;
}

export interface EdgeBenchmark {
  readonly benchmark: 'edge';
  /** ISO date and time. */
  readonly created: string;
  readonly machine: Machine;
  readonly repeats: number;
  readonly comparisons: readonly Comparison[];
  readonly lengths: readonly LengthMeasurement[];
  readonly memory: {
    /** What workerd holds with a Worker that does nothing. */
    readonly emptyMebibytes: number;
    /** The most with the base model on the kernel and 16 documents in each call. */
    readonly baseMebibytes: number;
    readonly batch: number;
    readonly vocabulary: number;
  };
  readonly uploadBytes: Readonly<Record<Engine, number>>;
  /** From the start of the process to the first answer, in milliseconds. */
  readonly coldStart: Readonly<Record<Engine | 'empty', Spread>>;
  readonly crowd: { readonly requests: number; readonly statuses: Readonly<Record<string, number>>; readonly seconds: number };
}

export interface EdgeBenchmarkOptions {
  readonly repeats: number;
  readonly log: (line: string) => void;
}

const SMALL: ModelSizes = { vocabulary: 16_000, embedding: 256, hidden: 512, layers: 3 };
/** The paper's model. Its speed does not depend on the vocabulary, so float32, which no isolate could hold, is given a small one. */
const BASE: ModelSizes = { vocabulary: 60_000, embedding: 400, hidden: 1152, layers: 3 };
const BASE_SPEED: ModelSizes = { ...BASE, vocabulary: 6_000 };

const REVIEW_WORDS = 300;
/** With the mark of the beginning, 70 tokens. */
const CHUNK_WORDS = 69;
const LONG_WORDS = [1_250, 2_500, 5_000, 10_000] as const;
const BATCH = 16;
const CROWD = 200;
/** Requests until the engine has compiled all it will: WebAssembly is compiled twice, quickly and then well. */
const WARM_UP = 5;
/** Processor time is counted in hundredths of a second; a measurement should have at least half a hundred. */
const MEASUREMENT_MILLISECONDS = 600;

/** Measures the Worker in workerd on this machine: the kernel beside onnxruntime-web's float32, in turns. */
export async function edgeBenchmark(options: EdgeBenchmarkOptions): Promise<EdgeBenchmark> {
  const folder = await mkdtemp(join(tmpdir(), 'ulmfit-edge-benchmark-'));
  try {
    return await new EdgeMeasurements(folder, options).all();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

class EdgeMeasurements {
  readonly #folder: string;
  readonly #repeats: number;
  readonly #log: (line: string) => void;

  constructor(folder: string, { repeats, log }: EdgeBenchmarkOptions) {
    this.#folder = folder;
    this.#repeats = repeats;
    this.#log = log;
  }

  async all(): Promise<EdgeBenchmark> {
    this.#log('building the Worker, with onnxruntime-web and without it');
    const kernel = await buildWorker(join(this.#folder, 'kernel'), { withOnnxRuntime: false });
    const onnxruntime = await buildWorker(join(this.#folder, 'onnxruntime'), { withOnnxRuntime: true });
    const empty = await emptyWorker(join(this.#folder, 'empty'));
    const workers = { kernel, onnxruntime };
    const small = await this.#assets('small', SMALL);
    const baseSpeed = await this.#assets('base-speed', BASE_SPEED);
    const base = await this.#kernelAssets('base', BASE);
    return {
      benchmark: 'edge',
      created: new Date().toISOString(),
      machine: thisMachine(),
      repeats: this.#repeats,
      comparisons: [
        await this.#compare('small', REVIEW_WORDS, workers, small),
        await this.#compare('base', CHUNK_WORDS, workers, baseSpeed),
      ],
      lengths: await this.#lengths(kernel, small.kernel),
      memory: await this.#memory(kernel, empty, base),
      uploadBytes: { kernel: kernel.uploadBytes, onnxruntime: onnxruntime.uploadBytes },
      coldStart: {
        empty: await this.#coldStart(empty, small.kernel),
        kernel: await this.#coldStart(kernel, small.kernel),
        onnxruntime: await this.#coldStart(onnxruntime, small.onnxruntime),
      },
      crowd: await this.#crowd(kernel, small.kernel),
    };
  }

  async #compare(
    preset: Comparison['preset'],
    words: number,
    workers: Readonly<Record<Engine, BuiltWorker>>,
    assets: Readonly<Record<Engine, string>>,
  ): Promise<Comparison> {
    const running = {
      kernel: await RunningWorker.start(workers.kernel, assets.kernel),
      onnxruntime: await RunningWorker.start(workers.onnxruntime, assets.onnxruntime),
    };
    try {
      const milliseconds: Record<Engine, number[]> = { kernel: [], onnxruntime: [] };
      const requests: Record<Engine, number> = { kernel: 1, onnxruntime: 1 };
      for (const engine of ['kernel', 'onnxruntime'] as const) {
        const text = (seed: number) => randomText(words, seed);
        for (let request = 0; request < WARM_UP; request++) await requireAnswer(running[engine], text(request));
        const warm = await timeOf(running[engine], [text(1), text(2), text(3)]);
        requests[engine] = Math.max(3, Math.ceil(MEASUREMENT_MILLISECONDS / warm));
      }
      for (let repeat = 0; repeat < this.#repeats; repeat++) {
        for (const engine of ['kernel', 'onnxruntime'] as const) {
          const texts = Array.from({ length: requests[engine] }, (_, request) => randomText(words, 100 * repeat + request));
          milliseconds[engine].push(await timeOf(running[engine], texts));
        }
        const [ours = 0, theirs = 0] = [milliseconds.kernel.at(-1), milliseconds.onnxruntime.at(-1)];
        this.#log(`${preset}, ${words} words: kernel ${ours.toFixed(0)} ms, onnxruntime-web ${theirs.toFixed(0)} ms`);
      }
      return {
        preset,
        words,
        kernel: spread(milliseconds.kernel),
        onnxruntime: spread(milliseconds.onnxruntime),
        ratio: pairedRatios(milliseconds.kernel, milliseconds.onnxruntime),
      };
    } finally {
      await running.kernel.stop();
      await running.onnxruntime.stop();
    }
  }

  async #lengths(worker: BuiltWorker, assets: string): Promise<LengthMeasurement[]> {
    const running = await RunningWorker.start(worker, assets);
    try {
      for (let request = 0; request < WARM_UP; request++) await requireAnswer(running, randomText(REVIEW_WORDS, request));
      const measured: LengthMeasurement[] = [];
      for (const words of LONG_WORDS) {
        const milliseconds = await timeOf(running, [randomText(words, words)]);
        measured.push({ words, milliseconds, peakMebibytes: running.peakMebibytes() });
        this.#log(`${words} words: ${milliseconds.toFixed(0)} ms`);
      }
      return measured;
    } finally {
      await running.stop();
    }
  }

  async #memory(worker: BuiltWorker, empty: BuiltWorker, assets: string): Promise<EdgeBenchmark['memory']> {
    const idle = await RunningWorker.start(empty, assets);
    await idle.classify('nothing');
    const emptyMebibytes = idle.peakMebibytes();
    await idle.stop();
    const running = await RunningWorker.start(worker, assets);
    try {
      const texts = Array.from({ length: BATCH }, (_, index) => randomText(REVIEW_WORDS, index));
      for (let request = 0; request < 2; request++) await requireAnswer(running, texts);
      const baseMebibytes = running.peakMebibytes();
      this.#log(`base, ${BATCH} documents at a time: ${(baseMebibytes - emptyMebibytes).toFixed(0)} MiB`);
      return { emptyMebibytes, baseMebibytes, batch: BATCH, vocabulary: BASE.vocabulary };
    } finally {
      await running.stop();
    }
  }

  async #coldStart(worker: BuiltWorker, assets: string): Promise<Spread> {
    const milliseconds: number[] = [];
    for (let repeat = 0; repeat < this.#repeats; repeat++) {
      const running = await RunningWorker.start(worker, assets);
      try {
        await requireAnswer(running, randomText(20, repeat));
        milliseconds.push(running.age);
      } finally {
        await running.stop();
      }
    }
    return spread(milliseconds);
  }

  async #crowd(worker: BuiltWorker, assets: string): Promise<EdgeBenchmark['crowd']> {
    const running = await RunningWorker.start(worker, assets);
    try {
      await requireAnswer(running, randomText(REVIEW_WORDS, 1));
      const started = performance.now();
      const texts = Array.from({ length: CROWD }, (_, index) => randomText(REVIEW_WORDS, index));
      const statuses: Record<string, number> = {};
      for (const status of await Promise.all(texts.map((text) => running.classify(text)))) statuses[status] = (statuses[status] ?? 0) + 1;
      return { requests: CROWD, statuses, seconds: (performance.now() - started) / 1000 };
    } finally {
      await running.stop();
    }
  }

  /** Assets for both engines, from one bundle. */
  async #assets(name: string, sizes: ModelSizes): Promise<Record<Engine, string>> {
    const bundle = join(this.#folder, `${name}-bundle`);
    await writeRandomBundle(bundle, name, sizes);
    const kernel = join(this.#folder, `${name}-kernel`);
    await mkdir(kernel);
    await prepareAssets(bundle, kernel, { int8: true });
    // As it is: onnxruntime-web is measured with models, too, that no isolate at the edge could hold.
    return { kernel, onnxruntime: bundle };
  }

  async #kernelAssets(name: string, sizes: ModelSizes): Promise<string> {
    const { kernel, onnxruntime } = await this.#assets(name, sizes);
    await rm(onnxruntime, { recursive: true });
    return kernel;
  }
}

/** Processor time of a request, in milliseconds: the mean over some, one after another. */
async function timeOf(worker: RunningWorker, texts: readonly string[]): Promise<number> {
  const before = worker.processorMilliseconds();
  for (const text of texts) await requireAnswer(worker, text);
  return (worker.processorMilliseconds() - before) / texts.length;
}

async function requireAnswer(worker: RunningWorker, inputs: string | readonly string[]): Promise<void> {
  const status = await worker.classify(inputs);
  if (status !== 200) throw new Error(`The Worker answered ${status}.`);
}
