import { Module, createRequire } from 'node:module';
import util from 'node:util';
import type * as tfjs from '@tensorflow/tfjs-node-gpu';
import { UserError } from '../../text/errors.ts';
import { engineLayout, isInstalled, packageFolder, type EngineLayout } from './cache.ts';

/** The loaded engine. */
export interface TensorFlow {
  /** The namespace of TensorFlow.js for Node. */
  readonly tf: typeof tfjs;
  /** Runs any registered operation of TensorFlow. None of these calls is differentiable: wrap them in `tf.customGrad`. */
  readonly backend: Backend;
  /** Builds the attributes of an operation. */
  readonly attributes: AttributeBuilders;
}

/** The part of tfjs-node's backend that the engine uses. */
export interface Backend {
  executeSingleOutput(operation: string, attributes: readonly Attribute[], inputs: readonly tfjs.Tensor[]): tfjs.Tensor;
  executeMultipleOutputs(
    operation: string,
    attributes: readonly Attribute[],
    inputs: readonly tfjs.Tensor[],
    outputCount: number,
  ): tfjs.Tensor[];
  /** The same on bare handles: no reference counts, no look at types. */
  readonly binding: Binding;
  getInputTensorIds(tensors: readonly tfjs.Tensor[]): number[];
  /** Gives a handle to tfjs, which then owns it. */
  createOutputTensor(handle: TensorHandle): tfjs.Tensor;
}

/** The native functions below the backend; a handle's `id` stays valid until `deleteTensor`. */
export interface Binding {
  createTensor(shape: readonly number[], type: number, values: Float32Array | Int32Array | Uint8Array): number;
  deleteTensor(id: number): void;
  tensorDataSync(id: number): Float32Array | Int32Array | Uint8Array;
  executeOp(operation: string, attributes: readonly Attribute[], inputIds: readonly number[], outputCount: number): TensorHandle[];
  getNumOfTensors(): number;
  isUsingGpuDevice(): boolean;
  readonly TF_Version: string;
  readonly TF_ATTR_STRING: number;
  readonly TF_ATTR_INT: number;
  readonly TF_ATTR_FLOAT: number;
  readonly TF_ATTR_BOOL: number;
  readonly TF_ATTR_TYPE: number;
  readonly TF_ATTR_SHAPE: number;
}

/** A tensor of TensorFlow that tfjs does not know. A type, not an interface: only so may `tf.tidy` return it. */
export type TensorHandle = {
  readonly id: number;
  readonly shape: number[];
  /** One of TensorFlow's type numbers. */
  readonly dtype: number;
};

/** A named attribute of an operation. */
export interface Attribute {
  readonly name: string;
  readonly type: number;
  readonly value: boolean | number | string | readonly number[];
}

/** Attribute constructors, and TensorFlow's numbers of element types (`tensorflow/core/framework/types.proto`). */
export type AttributeBuilders = ReturnType<typeof attributeBuilders>;

/** Settings that the library reads when it loads. What the user has set stays. */
const ENVIRONMENT: Readonly<Record<string, string>> = {
  // Keeps freed memory for the next tensor: a step allocates hundreds of megabytes, and fresh pages are slow.
  TF_CPU_ALLOCATOR_USE_BFC: 'true',
  // Errors only. Warnings such as "allocation exceeds 10% of free system memory" are no use to a user.
  TF_CPP_MIN_LOG_LEVEL: '2',
};

/** Lines that the library writes on every load, whatever the log level, and that call for no action. */
const CHATTER = [
  /^WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR$/,
  /^I\d{4} .* oneDNN custom operations are on\./,
];

let loaded: TensorFlow | undefined;

/**
 * Loads the installed engine, once in a process (about half a second).
 *
 * @throws UserError where the engine is not installed
 * @example
 * const { tf, backend, attributes } = await loadTensorFlow();
 * backend.executeSingleOutput('L2Loss', [attributes.type('T', attributes.float32)], [tf.tensor1d([3, 4])]).dataSync(); // [12.5]
 */
export async function loadTensorFlow(): Promise<TensorFlow> {
  loaded ??= loadFrom(engineLayout());
  return loaded;
}

function loadFrom(layout: EngineLayout): TensorFlow {
  if (!isInstalled(layout)) {
    throw new UserError('The training engine is not installed. Run `npx ulmfit setup` (about 280 MB to download, once).');
  }
  const showEverything = process.env['TF_CPP_MIN_LOG_LEVEL'] !== undefined;
  for (const [name, value] of Object.entries(ENVIRONMENT)) process.env[name] ??= value;
  restoreRemovedNodeFunctions();
  try {
    const tf = showEverything ? requireTensorFlow(layout) : quietly(layout, () => requireTensorFlow(layout));
    return { tf, ...backendOf(tf) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`The training engine in ${layout.root} does not load; \`npx ulmfit setup\` repairs it: ${reason}`, { cause: error });
  }
}

function backendOf(tf: typeof tfjs): { backend: Backend; attributes: AttributeBuilders } {
  // tfjs declares the backend's methods private or leaves them out; the interfaces above state what is there.
  const backend = tf.backend() as unknown as Backend;
  return { backend, attributes: attributeBuilders(backend.binding) };
}

/** tfjs-node 4.22 calls two functions that Node 23 removed. */
function restoreRemovedNodeFunctions(): void {
  const removed = util as { isNullOrUndefined?: (value: unknown) => boolean; isArray?: (value: unknown) => boolean };
  removed.isNullOrUndefined ??= (value) => value === null || value === undefined;
  removed.isArray = (value) => Array.isArray(value);
}

/**
 * tfjs-node asks node-pre-gyp for the path of its binding, which would lie in node_modules. For this one load a module
 * with the same name answers with the path in the cache.
 */
function requireTensorFlow(layout: EngineLayout): typeof tfjs {
  const require = createRequire(`${packageFolder('@tensorflow/tfjs-node-gpu')}/`);
  const finder = require.resolve('@mapbox/node-pre-gyp');
  const original = require.cache[finder];
  const replacement = new Module(finder);
  replacement.filename = finder;
  replacement.loaded = true;
  replacement.exports = { find: () => layout.binding.path };
  require.cache[finder] = replacement;
  try {
    return require('@tensorflow/tfjs-node-gpu') as typeof tfjs;
  } finally {
    if (original === undefined) delete require.cache[finder];
    else require.cache[finder] = original;
  }
}

/** Runs `load` and shows what it wrote to standard error, except the known chatter; all of it where `load` fails. */
function quietly<Result>(layout: EngineLayout, load: () => Result): Result {
  const require = createRequire(import.meta.url);
  const standardError = require(layout.standardErrorHolder.path) as { hold(): void; release(): string };
  let succeeded = false;
  standardError.hold();
  try {
    const result = load();
    succeeded = true;
    return result;
  } finally {
    const lines = standardError.release().split('\n').slice(0, -1);
    const shown = succeeded ? lines.filter((line) => !CHATTER.some((pattern) => pattern.test(line))) : lines;
    for (const line of shown) process.stderr.write(`${line}\n`);
  }
}

function attributeBuilders(binding: Binding) {
  return {
    float32: 1,
    int32: 3,
    int64: 9,
    bool: 10,
    bfloat16: 14,
    type: (name: string, value: number): Attribute => ({ name, type: binding.TF_ATTR_TYPE, value }),
    integer: (name: string, value: number): Attribute => ({ name, type: binding.TF_ATTR_INT, value }),
    floating: (name: string, value: number): Attribute => ({ name, type: binding.TF_ATTR_FLOAT, value }),
    boolean: (name: string, value: boolean): Attribute => ({ name, type: binding.TF_ATTR_BOOL, value }),
    string: (name: string, value: string): Attribute => ({ name, type: binding.TF_ATTR_STRING, value }),
    shape: (name: string, value: readonly number[]): Attribute => ({ name, type: binding.TF_ATTR_SHAPE, value }),
  };
}
