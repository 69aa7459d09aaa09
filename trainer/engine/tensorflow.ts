import { existsSync } from 'node:fs';
import { Module, createRequire } from 'node:module';
import util from 'node:util';
import type * as tfjs from '@tensorflow/tfjs-node-gpu';
import { UserError } from '../../text/errors.ts';
import { cacheFolder, engineLayout, isInstalled, packageFolder, type EngineLayout } from './cache.ts';
import { chooseEngine, lookAround, requestedDevice, settleDevice, type Device, type EngineChoice } from './device.ts';
import { rememberingScalars } from './deviceScalars.ts';
import { openNvidiaLibraries, reasonWithoutGpu } from './nvidiaLibraries.ts';
import { engineBuild, thisMachine } from './platform.ts';
import { precisionNotice, requestedPrecision } from './precision.ts';

/** The loaded engine. */
export interface TensorFlow {
  /** The namespace of TensorFlow.js for Node. */
  readonly tf: typeof tfjs;
  /** Runs any registered operation of TensorFlow. None of these calls is differentiable: wrap them in `tf.customGrad`. */
  readonly backend: Backend;
  /** Builds the attributes of an operation. */
  readonly attributes: AttributeBuilders;
  /** What computes. */
  readonly device: Device;
  /** Whether our own ops are there (fusedOps.ts). */
  readonly hasFusedOps: boolean;
  /** Whether they multiply on a processor's matrix unit in bf16: only then there is the op of tiled cross-entropy. */
  readonly hasMatrixUnit: boolean;
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
  // Takes a GPU's memory as it is needed; without this, nearly all of it at once.
  TF_FORCE_GPU_ALLOW_GROWTH: 'true',
  // Keeps freed memory for the next tensor: a step allocates hundreds of megabytes, and fresh pages are slow.
  TF_CPU_ALLOCATOR_USE_BFC: 'true',
  // Errors only. Warnings such as "allocation exceeds 10% of free system memory" are no use to a user.
  TF_CPP_MIN_LOG_LEVEL: '2',
};

/** Lines that the library writes on every load, whatever the log level, and that call for no action. */
const CHATTER = [
  /^WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR$/,
  /^[IWE]\d{4} .* oneDNN custom operations are on\./,
];

let loaded: TensorFlow | undefined;
/** Whether the user has chosen TensorFlow's log level. */
let showsEverything = false;

/**
 * Loads the installed engine, once in a process (about half a second), for the device that {@link requestDevice} or ULMFIT_DEVICE names.
 *
 * @throws UserError where the engine is not installed, or a GPU was asked for and none can be used
 * @example
 * const { tf, backend, attributes } = await loadTensorFlow();
 * backend.executeSingleOutput('L2Loss', [attributes.type('T', attributes.float32)], [tf.tensor1d([3, 4])]).dataSync(); // [12.5]
 */
export async function loadTensorFlow(): Promise<TensorFlow> {
  if (loaded !== undefined) return loaded;
  const engine = loadEngine(chooseEngine(requestedDevice(), lookAround()));
  const { kind, withoutGpu } = engine.device;
  const notices = [
    withoutGpu === undefined ? undefined : `The processor computes, because no GPU can be used: ${withoutGpu}.`,
    precisionNotice(requestedPrecision(), kind),
  ];
  showLines(notices.filter((notice) => notice !== undefined));
  return engine;
}

/**
 * Loads one of the two engines. A process can load one only.
 *
 * @throws UserError where it is not installed, or a required GPU does not answer
 */
export function loadEngine(choice: EngineChoice): TensorFlow {
  const layout = engineLayout(cacheFolder(), engineBuild(thisMachine(), choice.build));
  const setup = `npx ulmfit setup${choice.build === 'gpu' ? ' --gpu' : ''}`;
  if (!isInstalled(layout)) throw new UserError(`The engine is not installed. Run \`${setup}\`.`);
  prepareProcess(choice);
  try {
    loaded = load(layout, choice);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`The training engine in ${layout.root} does not load; \`${setup}\` repairs it: ${reason}`, { cause: error });
  }
  settleDevice(loaded.device);
  return loaded;
}

function load(layout: EngineLayout, { build, card }: EngineChoice): TensorFlow {
  const wanted = build === 'gpu' && card !== 'hidden';
  const unopened = wanted ? openNvidiaLibraries(layout) : [];
  const { result: tf, lines } = quietly(layout, () => requireTensorFlow(layout));
  const engine = backendOf(tf);
  if (engine.backend.binding.isUsingGpuDevice()) {
    const writable = engine.backend as { binding: Binding };
    writable.binding = rememberingScalars(engine.backend.binding, engine.attributes.float32);
    return { tf, ...engine, device: { kind: 'gpu' }, hasFusedOps: false, hasMatrixUnit: false };
  }
  const ops = loadFusedOps(layout);
  if (!wanted) {
    // What the build for GPUs says of missing GPUs is of no use to whoever wants none.
    if (build === 'cpu') showLines(lines);
    return { tf, ...engine, device: { kind: 'cpu' }, ...ops };
  }
  const withoutGpu = reasonWithoutGpu(unopened, lines);
  if (card === 'required') throw new UserError(`No GPU can be used: ${withoutGpu}.`);
  return { tf, ...engine, device: { kind: 'cpu', withoutGpu }, ...ops };
}

/** Registers our own ops, which are made for the processor. ULMFIT_PLAIN_OPS=1 does without them. */
function loadFusedOps({ fusedOps }: EngineLayout): Pick<TensorFlow, 'hasFusedOps' | 'hasMatrixUnit'> {
  const none = { hasFusedOps: false, hasMatrixUnit: false };
  if (process.env['ULMFIT_PLAIN_OPS'] === '1') return none;
  if (!existsSync(fusedOps.path)) {
    showLines(['The fast operations are not compiled, so training is slower than it could be: run `npx ulmfit setup`.']);
    return none;
  }
  const { hasMatrixUnit } = createRequire(import.meta.url)(fusedOps.path) as { hasMatrixUnit: boolean };
  return { hasFusedOps: true, hasMatrixUnit };
}

function prepareProcess({ build, card }: EngineChoice): void {
  showsEverything = process.env['TF_CPP_MIN_LOG_LEVEL'] !== undefined;
  for (const [name, value] of Object.entries(ENVIRONMENT)) process.env[name] ??= value;
  if (build === 'gpu' && card === 'hidden') process.env['CUDA_VISIBLE_DEVICES'] = '-1';
  restoreRemovedNodeFunctions();
}

function backendOf(tf: typeof tfjs): Pick<TensorFlow, 'backend' | 'attributes'> {
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

/**
 * Runs `body` and holds back what it writes to standard error; where that fails, all of it is shown. Whoever has set the log level
 * himself sees everything at once.
 *
 * @returns what was held back, without the known chatter
 */
function quietly<Result>(layout: EngineLayout, body: () => Result): { result: Result; lines: string[] } {
  if (showsEverything) return { result: body(), lines: [] };
  const standardError = createRequire(import.meta.url)(layout.standardErrorHolder.path) as { hold(): void; release(): string };
  const linesHeld = () => standardError.release().split('\n').slice(0, -1);
  standardError.hold();
  let result: Result;
  try {
    result = body();
  } catch (error) {
    showLines(linesHeld());
    throw error;
  }
  return { result, lines: linesHeld().filter((line) => !CHATTER.some((pattern) => pattern.test(line))) };
}

function showLines(lines: readonly string[]): void {
  for (const line of lines) process.stderr.write(`${line}\n`);
}

function attributeBuilders(binding: Binding) {
  return {
    float32: 1,
    int32: 3,
    int64: 9,
    bool: 10,
    bfloat16: 14,
    float16: 19,
    type: (name: string, value: number): Attribute => ({ name, type: binding.TF_ATTR_TYPE, value }),
    integer: (name: string, value: number): Attribute => ({ name, type: binding.TF_ATTR_INT, value }),
    floating: (name: string, value: number): Attribute => ({ name, type: binding.TF_ATTR_FLOAT, value }),
    boolean: (name: string, value: boolean): Attribute => ({ name, type: binding.TF_ATTR_BOOL, value }),
    string: (name: string, value: string): Attribute => ({ name, type: binding.TF_ATTR_STRING, value }),
    shape: (name: string, value: readonly number[]): Attribute => ({ name, type: binding.TF_ATTR_SHAPE, value }),
  };
}
