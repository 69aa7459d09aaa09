import { UserError } from '../../text/errors.ts';
import { FileSlices } from './fileSlices.ts';
import type { PickleRules } from './pickleMachine.ts';
import { type Fail, shown } from './pythonName.ts';
import { elementCount, inRows, reach, toFloat32 } from './torchNumbers.ts';
import { storageOf, TORCH_NAMES, type TorchStorage, type TorchTensor } from './torchNames.ts';
import { LARGEST_PICKLE, unpickle } from './unpickler.ts';
import { looksLikeZip, positionOf, readZipDirectory } from './zipArchive.ts';

/** What torch.save writes first before PyTorch 1.6, and what follows it (torch/serialization.py: `MAGIC_NUMBER`, `PROTOCOL_VERSION`). */
const MAGIC_NUMBER = 0x1950a86a20f9469cfc6cn;
const PROTOCOL_VERSION = 1001;
/** A pickle of protocol 2 or later begins with it. */
const PICKLE_START = 0x80;

/** Where the numbers of a whole storage lie in the file, in bytes. */
interface Place {
  readonly position: number;
  readonly size: number;
}

/** What a file holds, tensors still unread, and where its storages are. */
interface Contents {
  readonly root: unknown;
  readonly place: (storage: TorchStorage) => Promise<Place>;
}

/**
 * A file that PyTorch's `torch.save` wrote, in its zip format (PyTorch 1.6 and later) or the one before. Nothing in it is executed.
 * Tensors are read from the file one by one when they are wanted.
 */
export class TorchFile {
  /** What torch.load would give: lists, maps and `TorchTensor`s. Of an untrusted file: check every part before it is used. */
  readonly root: unknown;
  readonly #file: FileSlices;
  readonly #place: Contents['place'];

  private constructor(file: FileSlices, { root, place }: Contents) {
    this.#file = file;
    this.root = root;
    this.#place = place;
  }

  /**
   * @throws UserError where there is no such file, it is of another kind, it is damaged, or it names what no file of weights has to
   * @example
   * const file = await TorchFile.open('lstm_fwd.pth');
   * const tensor = (file.root as Map<string, TorchTensor>).get('0.encoder.weight');
   */
  static async open(path: string): Promise<TorchFile> {
    const file = await FileSlices.open(path);
    try {
      const head = await file.read(0, Math.min(file.size, 512));
      if (looksLikeZip(head)) return new TorchFile(file, await readZipFormat(file));
      if (head[0] === PICKLE_START) return new TorchFile(file, await readLegacyFormat(file));
      throw new UserError(`${path} is no file that torch.save wrote${otherKind(head)}.`);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * A tensor's numbers as float32, the last axis fastest.
   *
   * @param name what to call it in a message
   * @throws UserError where it lies outside of its storage or of the file, or its numbers are of a type that weights are not
   */
  async read(tensor: TorchTensor, name: string): Promise<Float32Array<ArrayBuffer>> {
    const { storage, offset, shape } = tensor;
    const length = reach(tensor);
    const { bytes, kind } = storage.type;
    const where = `${this.#file.path}: tensor "${shown(name)}"`;
    if (offset + length > storage.length)
      throw new UserError(`${where} reaches beyond its numbers in the file. Copy or download it again.`);
    if (elementCount(shape) > length) throw new UserError(`${where} uses the same numbers several times, as weights never do.`);
    const place = await this.#place(storage);
    const first = bytes * (storage.start + offset);
    if (first + bytes * length > place.size) throw new UserError(`${where} is cut off. Copy or download the file again.`);
    const span = toFloat32(kind, await this.#file.read(place.position + first, bytes * length));
    if (span === undefined) throw new UserError(`${where} is of type ${kind}, which weights are not.`);
    return inRows(span, tensor);
  }

  /** Bytes of the whole file. */
  get size(): number {
    return this.#file.size;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** `<name>/data.pkl` describes everything; the numbers of storage k are `<name>/data/k`. */
async function readZipFormat(file: FileSlices): Promise<Contents> {
  const entries = await readZipDirectory(file);
  const pickle = [...entries.values()].find(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickle === undefined) throw new UserError(`${file.path} is a zip archive, but not one that torch.save wrote: data.pkl is missing.`);
  if (pickle.size > LARGEST_PICKLE) {
    throw new UserError(`${file.path} is no file of weights: its description alone, data.pkl, takes ${pickle.size} bytes.`);
  }
  const root = pickle.name.slice(0, -'data.pkl'.length);
  const order = entries.get(`${root}byteorder`);
  if (order !== undefined && order.size < 16) {
    const text = new TextDecoder().decode(await file.read(await positionOf(file, order), order.size));
    if (text.trim() === 'big') throw bigEndian(file.path);
  }
  const bytes = await file.read(await positionOf(file, pickle), pickle.size);
  return {
    root: unpickle(file.path, bytes, rulesOf(file.path)).value,
    place: async ({ key }) => {
      const entry = entries.get(`${root}data/${key}`);
      if (entry === undefined) throw new UserError(`${file.path} is damaged: the numbers of storage ${shown(key)} are missing.`);
      return { position: await positionOf(file, entry), size: entry.size };
    },
  };
}

/** Five pickles (magic number, version, machine, contents, keys of the storages), and then each storage: its length and its numbers. */
async function readLegacyFormat(file: FileSlices): Promise<Contents> {
  const { path } = file;
  const head = await file.read(0, Math.min(file.size, LARGEST_PICKLE));
  const storages = new Map<string, TorchStorage>();
  let end = 0;
  const next = (): unknown => {
    const pickle = unpickle(path, head, rulesOf(path, storages), end);
    end = pickle.end;
    return pickle.value;
  };
  if (next() !== MAGIC_NUMBER) {
    throw new UserError(`${path} is a Python pickle, but no file that torch.save wrote. A vocabulary is not weights; is this one?`);
  }
  if (next() !== PROTOCOL_VERSION) throw new UserError(`${path} was written by an unknown version of PyTorch.`);
  const machine = next();
  if (machine instanceof Map && machine.get('little_endian') === false) throw bigEndian(path);
  const root = next();
  const keys = next();
  const places = await legacyPlaces(file, keys, storages, end);
  return {
    root,
    place: async ({ key }) => {
      const place = places.get(key);
      if (place === undefined) throw new UserError(`${path} is damaged: the numbers of storage ${shown(key)} are missing.`);
      return place;
    },
  };
}

async function legacyPlaces(
  file: FileSlices,
  keys: unknown,
  storages: ReadonlyMap<string, TorchStorage>,
  dataStart: number,
): Promise<Map<string, Place>> {
  const damaged = new UserError(`${file.path} is damaged: its list of storages is wrong. Copy or download it again.`);
  if (!Array.isArray(keys)) throw damaged;
  const places = new Map<string, Place>();
  let position = dataStart;
  for (const key of keys as readonly unknown[]) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (storage === undefined || places.has(storage.key)) throw damaged;
    const header = await file.read(position, 8);
    const size = Number(new DataView(header.buffer).getBigInt64(0, true)) * storage.type.bytes;
    if (!(size >= 0)) throw damaged;
    places.set(storage.key, { position: position + 8, size });
    position += 8 + size;
  }
  if (position > file.size)
    throw new UserError(`${file.path} is cut off: it has ${file.size} bytes and needs ${position}. Copy or download it again.`);
  return places;
}

/** @param storages gathers the storages that are met */
function rulesOf(path: string, storages?: Map<string, TorchStorage>): PickleRules {
  const fail: Fail = (what) => {
    throw new UserError(`${path} is damaged: it ${what}. Copy or download it again.`);
  };
  return {
    content: 'weights',
    names: TORCH_NAMES,
    persistent: (id) => {
      const storage = storageOf(id, fail);
      storages?.set(storage.key, storage);
      return storage;
    },
  };
}

function bigEndian(path: string): UserError {
  return new UserError(`${path} was written on a big-endian machine, whose numbers are not read here. Load and save it on another one.`);
}

/** What the file is instead, where its first bytes say so. */
function otherKind(head: Uint8Array): string {
  const text = Buffer.from(head).toString('latin1');
  if (head.length === 0) return ': it is empty';
  if (text[8] === '{') return ': it is a safetensors file';
  if (text.startsWith('\x89HDF')) return ': it is an HDF5 file, as Keras writes';
  if (text.slice(257, 262) === 'ustar') return ': it is a tar archive, as PyTorch wrote before 2017. Load and save it with a newer PyTorch';
  if (/^[\t\n\r -~]*$/.test(text)) return ': it is text';
  return '';
}
