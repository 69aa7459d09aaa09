/**
 * Run in a process of its own, because a library that does not suit the processor may end the process: loads an engine,
 * multiplies matrices and prints what it found as one line of JSON.
 *
 * Usage: `node selfCheck.ts cpu|gpu welcome|hidden [seconds]`: which build, what happens with a GPU, and how long to measure (0).
 */
import { loadEngine, type TensorFlow } from './tensorflow.ts';
import type { DeviceKind } from './platform.ts';

/** What the self-check prints. */
export interface SelfCheck {
  readonly tensorflow: string;
  /** What computed: the build for GPUs takes the processor where no GPU answers. */
  readonly device: DeviceKind;
  /** Why no GPU was used, where the build is for GPUs. */
  readonly withoutGpu?: string;
  /** Whether a small product of known value came out right. */
  readonly correct: boolean;
  /** Floating-point operations of a float32 matrix product, in 10⁹ a second; undefined where nothing was measured. */
  readonly gigaflops?: number;
}

try {
  const [build, card, seconds] = process.argv.slice(2);
  const engine = loadEngine({ build: build === 'gpu' ? 'gpu' : 'cpu', card: card === 'welcome' ? 'welcome' : 'hidden' });
  console.log(JSON.stringify(look(engine, Number(seconds ?? 0))));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

function look(engine: TensorFlow, seconds: number): SelfCheck {
  const { kind, withoutGpu } = engine.device;
  return {
    tensorflow: engine.backend.binding.TF_Version,
    device: kind,
    ...(withoutGpu !== undefined && { withoutGpu }),
    correct: productIsCorrect(engine),
    ...(seconds > 0 ? { gigaflops: measureProducts(engine, seconds) } : {}),
  };
}

function productIsCorrect({ tf }: TensorFlow): boolean {
  const left = tf.tensor2d([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  const right = tf.tensor2d([
    [7, 8],
    [9, 10],
    [11, 12],
  ]);
  // Small whole numbers: exact in every precision, TF32 included.
  return tf.matMul(left, right).dataSync().join() === '58,64,139,154';
}

function measureProducts({ tf, device }: TensorFlow, seconds: number): number {
  // Large enough to fill the device, and only a sum comes back from it.
  const size = device.kind === 'gpu' ? 8192 : 1024;
  const left = tf.randomUniform([size, size]);
  const right = tf.randomUniform([size, size]);
  const product = () => tf.tidy(() => void tf.sum(tf.matMul(left, right)).dataSync());
  product();
  let count = 0;
  const start = performance.now();
  while (performance.now() - start < seconds * 1000) {
    product();
    count++;
  }
  return (2 * size ** 3 * count) / ((performance.now() - start) * 1e6);
}
