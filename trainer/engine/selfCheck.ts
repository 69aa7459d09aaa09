/**
 * Run in a process of its own, because a library that does not suit the processor may end the process: loads the engine,
 * multiplies matrices and prints what it found as one line of JSON.
 *
 * Usage: `node selfCheck.ts [seconds]`: how long to measure, 0 by default.
 */
import { loadTensorFlow, type TensorFlow } from './tensorflow.ts';

/** What the self-check prints. */
export interface SelfCheck {
  readonly tensorflow: string;
  readonly device: 'cpu' | 'gpu';
  /** Whether a small product of known value came out right. */
  readonly correct: boolean;
  /** Floating-point operations of a float32 matrix product, in 10⁹ a second; undefined where nothing was measured. */
  readonly gigaflops?: number;
}

try {
  console.log(JSON.stringify(look(await loadTensorFlow(), Number(process.argv[2] ?? 0))));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

function look(engine: TensorFlow, seconds: number): SelfCheck {
  const { binding } = engine.backend;
  return {
    tensorflow: binding.TF_Version,
    device: binding.isUsingGpuDevice() ? 'gpu' : 'cpu',
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
  return tf.matMul(left, right).dataSync().join() === '58,64,139,154';
}

function measureProducts({ tf }: TensorFlow, seconds: number): number {
  const size = 1024;
  const left = tf.randomUniform([size, size]);
  const right = tf.randomUniform([size, size]);
  const product = () => tf.tidy(() => void tf.matMul(left, right).dataSync());
  product();
  let count = 0;
  const start = performance.now();
  while (performance.now() - start < seconds * 1000) {
    product();
    count++;
  }
  return (2 * size ** 3 * count) / ((performance.now() - start) * 1e6);
}
