import { DATA_NAMES } from './dataNames.ts';
import { type AllowedNames, described, type Fail, type Maker, PythonName } from './pythonName.ts';

/** Element types of tensors by the storage classes of PyTorch that hold them. `number` is what we convert to float32. */
export const STORAGE_TYPES = {
  FloatStorage: { bytes: 4, kind: 'float32' },
  DoubleStorage: { bytes: 8, kind: 'float64' },
  HalfStorage: { bytes: 2, kind: 'float16' },
  BFloat16Storage: { bytes: 2, kind: 'bfloat16' },
  LongStorage: { bytes: 8, kind: 'int64' },
  IntStorage: { bytes: 4, kind: 'int32' },
  ShortStorage: { bytes: 2, kind: 'int16' },
  CharStorage: { bytes: 1, kind: 'int8' },
  ByteStorage: { bytes: 1, kind: 'uint8' },
  BoolStorage: { bytes: 1, kind: 'bool' },
} as const;

export type StorageType = (typeof STORAGE_TYPES)[keyof typeof STORAGE_TYPES];

/** The numbers that one or several tensors share, by the key under which the file has them. They are not read yet. */
export class TorchStorage {
  readonly key: string;
  readonly type: StorageType;
  /** How many numbers. */
  readonly length: number;
  /** Where they begin, where the storage is a part of a larger one (PyTorch before 0.4). */
  readonly start: number;

  constructor(key: string, type: StorageType, length: number, start = 0) {
    this.key = key;
    this.type = type;
    this.length = length;
    this.start = start;
  }
}

/** A tensor as the file describes it: element `[i, j, …]` is number `offset + i · strides[0] + j · strides[1] + …` of the storage. */
export class TorchTensor {
  readonly storage: TorchStorage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(storage: TorchStorage, offset: number, shape: readonly number[], strides: readonly number[]) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** Most axes of a tensor. Weights have two. */
const MOST_AXES = 8;

/** `torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)`, of which the last two are left out. */
const tensor: Maker = ([storage, offset, shape, strides], fail) => {
  if (!(storage instanceof TorchStorage)) return fail('makes a tensor of what is no storage');
  if (!isSize(offset) || !isSizes(shape) || !isSizes(strides) || shape.length !== strides.length) {
    return fail('makes a tensor of an impossible shape');
  }
  return new TorchTensor(storage, offset, shape, strides);
};

/** `torch._utils._rebuild_parameter(data, requires_grad, hooks)` */
const parameter: Maker = ([data], fail) => (data instanceof TorchTensor ? data : fail('makes a parameter of what is no tensor'));

const TENSOR_MAKERS = ['torch._utils._rebuild_tensor', 'torch._utils._rebuild_tensor_v2'];

/** `torch._tensor._rebuild_from_type_v2(function, type, arguments, state)`: a tensor of a class of fastai's. The class is left out. */
const typedTensor: Maker = ([name, , args], fail) =>
  name instanceof PythonName && TENSOR_MAKERS.includes(name.name) && Array.isArray(args)
    ? tensor(args, fail)
    : fail('makes a tensor in an unknown way');

const DTYPES = ['float32', 'float64', 'float16', 'bfloat16', 'int64', 'int32', 'int16', 'int8', 'uint8', 'bool'];

/** What may stand in a file of weights. */
export const TORCH_NAMES: AllowedNames = new Map<string, Maker | undefined>([
  ...DATA_NAMES,
  ...TENSOR_MAKERS.map((name): [string, Maker] => [name, tensor]),
  ['torch._utils._rebuild_parameter', parameter],
  ['torch._utils._rebuild_parameter_with_state', parameter],
  ['torch._tensor._rebuild_from_type_v2', typedTensor],
  ['torch._tensor._rebuild_from_type', typedTensor],
  ['fastai.torch_core.TensorBase', undefined],
  ['torch.Size', ([sizes], fail) => (Array.isArray(sizes) ? sizes : fail('has sizes that are no list'))],
  ['torch.device', described('torch.device')],
  ...DTYPES.map((name): [string, undefined] => [`torch.${name}`, undefined]),
  ...Object.keys(STORAGE_TYPES).flatMap((name): [string, undefined][] => [
    [`torch.${name}`, undefined],
    [`torch.cuda.${name}`, undefined],
  ]),
]);

/**
 * What a persistent id of torch.save stands for: ('storage', class, key, device, length), and in the format before PyTorch 1.6
 * also None or (key of the part, where it begins, its length).
 */
export function storageOf(id: unknown, fail: Fail): TorchStorage {
  if (!Array.isArray(id) || id[0] !== 'storage') return fail('refers to something that is no storage');
  const [, type, key, , length, part] = id as readonly unknown[];
  if (!(type instanceof PythonName) || typeof key !== 'string' || !isSize(length)) return fail('describes a storage wrongly');
  const className = type.name.replace(/^torch\.(cuda\.)?/, '');
  if (!isStorageType(className)) return fail('has a storage of an unknown type');
  if (part === undefined || part === null) return new TorchStorage(key, STORAGE_TYPES[className], length);
  const [, start, partLength] = Array.isArray(part) ? (part as readonly unknown[]) : [];
  if (!isSize(start) || !isSize(partLength) || start + partLength > length) return fail('describes a part of a storage wrongly');
  return new TorchStorage(key, STORAGE_TYPES[className], partLength, start);
}

function isStorageType(name: string): name is keyof typeof STORAGE_TYPES {
  return Object.hasOwn(STORAGE_TYPES, name);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= MOST_AXES && value.every(isSize);
}
