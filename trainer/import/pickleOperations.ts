import type { PickleMachine } from './pickleMachine.ts';
import type { PickleReader } from './pickleReader.ts';
import { PythonName } from './pythonName.ts';

/*
 * What each operation of a pickle does, by its code; the names are those of Python's pickletools.py.
 */

export type Operation = (machine: PickleMachine, reader: PickleReader) => void;
type Operations = Readonly<Record<number, Operation>>;

const pushing =
  (value: (reader: PickleReader) => unknown): Operation =>
  (machine, reader) =>
    machine.push(value(reader));

/** Numbers, texts and bytes. */
export const VALUE_OPERATIONS: Operations = {
  0x4e: pushing(() => null), // NONE
  0x88: pushing(() => true), // NEWTRUE
  0x89: pushing(() => false), // NEWFALSE
  0x49: pushing((reader) => integerLine(reader)), // INT
  0x4a: pushing((reader) => reader.int32()), // BININT
  0x4b: pushing((reader) => reader.uint8()), // BININT1
  0x4d: pushing((reader) => reader.uint16()), // BININT2
  0x4c: pushing((reader) => reader.decimal(reader.line().replace(/L$/, ''))), // LONG
  0x8a: pushing((reader) => reader.integer(reader.uint8())), // LONG1
  0x8b: pushing((reader) => reader.integer(reader.uint32())), // LONG4
  0x46: pushing((reader) => floatLine(reader)), // FLOAT
  0x47: pushing((reader) => reader.float64()), // BINFLOAT
  0x53: pushing((reader) => quotedLine(reader)), // STRING
  0x54: pushing((reader) => reader.utf8(reader.uint32())), // BINSTRING
  0x55: pushing((reader) => reader.utf8(reader.uint8())), // SHORT_BINSTRING
  0x56: pushing((reader) => escapedLine(reader)), // UNICODE
  0x58: pushing((reader) => reader.utf8(reader.uint32())), // BINUNICODE
  0x8c: pushing((reader) => reader.utf8(reader.uint8())), // SHORT_BINUNICODE
  0x8d: pushing((reader) => reader.utf8(reader.uint64())), // BINUNICODE8
  0x42: pushing((reader) => reader.bytes(reader.uint32())), // BINBYTES
  0x43: pushing((reader) => reader.bytes(reader.uint8())), // SHORT_BINBYTES
  0x8e: pushing((reader) => reader.bytes(reader.uint64())), // BINBYTES8
  0x96: pushing((reader) => reader.bytes(reader.uint64())), // BYTEARRAY8
};

/** Lists, tuples, dictionaries and sets; the stack and the memo. */
export const CONTAINER_OPERATIONS: Operations = {
  0x28: (machine) => machine.mark(), // MARK
  0x30: (machine) => machine.popAnything(), // POP
  0x31: (machine) => void machine.popMark(), // POP_MARK
  0x32: (machine) => machine.push(machine.top()), // DUP
  0x5d: pushing(() => []), // EMPTY_LIST
  0x6c: (machine) => machine.push(machine.popMark()), // LIST
  0x61: (machine) => append(machine, [machine.pop()]), // APPEND
  0x65: (machine) => append(machine, machine.popMark()), // APPENDS
  0x29: pushing(() => []), // EMPTY_TUPLE
  0x74: (machine) => machine.push(machine.popMark()), // TUPLE
  0x85: (machine) => tuple(machine, 1), // TUPLE1
  0x86: (machine) => tuple(machine, 2), // TUPLE2
  0x87: (machine) => tuple(machine, 3), // TUPLE3
  0x7d: pushing(() => new Map()), // EMPTY_DICT
  0x64: (machine) => {
    const items = machine.popMark();
    machine.push(new Map());
    setItems(machine, items);
  }, // DICT
  0x73: (machine) => {
    const value = machine.pop();
    setItems(machine, [machine.pop(), value]);
  }, // SETITEM
  0x75: (machine) => setItems(machine, machine.popMark()), // SETITEMS
  0x8f: pushing(() => new Set()), // EMPTY_SET
  0x90: (machine) => addItems(machine, machine.popMark()), // ADDITEMS
  0x91: (machine) => machine.push(new Set(machine.popMark())), // FROZENSET
  0x67: (machine, reader) => machine.recall(indexLine(reader)), // GET
  0x68: (machine, reader) => machine.recall(reader.uint8()), // BINGET
  0x6a: (machine, reader) => machine.recall(reader.uint32()), // LONG_BINGET
  0x70: (machine, reader) => machine.remember(indexLine(reader)), // PUT
  0x71: (machine, reader) => machine.remember(reader.uint8()), // BINPUT
  0x72: (machine, reader) => machine.remember(reader.uint32()), // LONG_BINPUT
  0x94: (machine) => machine.rememberNext(), // MEMOIZE
};

/** Protocol marks, and all that would import or call something. */
export const OBJECT_OPERATIONS: Operations = {
  0x80: (_, reader) => {
    const protocol = reader.uint8();
    if (protocol > 5) reader.fail(`has protocol ${protocol}, and 5 is the newest known`);
  }, // PROTO
  0x95: (_, reader) => void reader.uint64(), // FRAME: how many bytes to read ahead
  0x63: (machine, reader) => machine.push(machine.name(reader.line(), reader.line())), // GLOBAL
  0x93: (machine, reader) => {
    const name = machine.pop();
    const module = machine.pop();
    if (typeof name !== 'string' || typeof module !== 'string') return reader.fail('has a name that is no text');
    machine.push(machine.name(module, name));
  }, // STACK_GLOBAL
  0x52: (machine) => call(machine), // REDUCE
  0x81: (machine) => call(machine), // NEWOBJ
  0x92: (machine, reader) => {
    const keywords = machine.pop();
    if (!(keywords instanceof Map) || keywords.size > 0) reader.fail('makes an object with named arguments');
    call(machine);
  }, // NEWOBJ_EX
  0x69: (machine, reader) => {
    const name = machine.name(reader.line(), reader.line());
    machine.push(machine.make(name, machine.popMark()));
  }, // INST
  0x6f: (machine, reader) => {
    const [name, ...args] = machine.popMark();
    if (!(name instanceof PythonName)) return reader.fail('makes an object of what is no name');
    machine.push(machine.make(name, args));
  }, // OBJ
  0x62: (machine) => machine.setState(machine.pop()), // BUILD
  0x51: (machine, reader) => {
    const id = machine.pop();
    if (machine.rules.persistent === undefined) return reader.fail('refers to something outside of the file');
    machine.push(machine.rules.persistent(id));
  }, // BINPERSID
  0x50: (_, reader) => reader.fail('refers to something outside of the file'), // PERSID
  0x82: (_, reader) => reader.fail('uses an extension code'), // EXT1
  0x83: (_, reader) => reader.fail('uses an extension code'), // EXT2
  0x84: (_, reader) => reader.fail('uses an extension code'), // EXT4
  0x97: (_, reader) => reader.fail('refers to a buffer outside of the file'), // NEXT_BUFFER
  0x98: (_, reader) => reader.fail('refers to a buffer outside of the file'), // READONLY_BUFFER
};

function call(machine: PickleMachine): void {
  const args = machine.pop();
  machine.push(machine.make(machine.pop(), args));
}

function tuple(machine: PickleMachine, length: number): void {
  const values: unknown[] = [];
  for (let index = 0; index < length; index++) values.unshift(machine.pop());
  machine.push(values);
}

function append(machine: PickleMachine, items: readonly unknown[]): void {
  const list = machine.top();
  if (!Array.isArray(list)) return machine.reader.fail('appends to what is no list');
  for (const item of items) list.push(item);
}

function setItems(machine: PickleMachine, items: readonly unknown[]): void {
  const map = machine.top();
  if (!(map instanceof Map)) return machine.reader.fail('sets items of what is no dictionary');
  if (items.length % 2 !== 0) machine.reader.fail('has a key without a value');
  for (let index = 0; index < items.length; index += 2) map.set(items[index], items[index + 1]);
}

function addItems(machine: PickleMachine, items: readonly unknown[]): void {
  const set = machine.top();
  if (!(set instanceof Set)) return machine.reader.fail('adds to what is no set');
  for (const item of items) set.add(item);
}

function indexLine(reader: PickleReader): number {
  const line = reader.line();
  return /^\d{1,9}$/.test(line) ? Number(line) : reader.fail('has a place in its memo that is no number');
}

/** Protocol 0 writes truth as a number with a zero before it. */
function integerLine(reader: PickleReader): number | bigint | boolean {
  const line = reader.line();
  if (line === '00' || line === '01') return line === '01';
  return reader.decimal(line);
}

function floatLine(reader: PickleReader): number {
  const line = reader.line();
  if (/^[+-]?(inf|nan)$/.test(line)) return line.includes('nan') ? Number.NaN : line.startsWith('-') ? -Infinity : Infinity;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(line) ? Number(line) : reader.fail('has a number that is none');
}

const QUOTED = /\\x([\da-fA-F]{2})|\\([0-7]{1,3})|\\(.)/g;
const LETTERS: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b', f: '\f', v: '\v' };

/** A text of Python 2, as `repr` writes it. */
function quotedLine(reader: PickleReader): string {
  const line = reader.line();
  const inside = /^(['"])(.*)\1$/s.exec(line)?.[2] ?? reader.fail('has a text without quotes');
  return inside.replace(QUOTED, (_, hexadecimal?: string, octal?: string, letter = '') => {
    if (hexadecimal !== undefined) return String.fromCharCode(Number.parseInt(hexadecimal, 16));
    return octal === undefined ? (LETTERS[letter] ?? letter) : String.fromCharCode(Number.parseInt(octal, 8));
  });
}

/** A text in Python's "raw-unicode-escape". */
function escapedLine(reader: PickleReader): string {
  return reader.line().replace(/\\u([\da-fA-F]{4})|\\U([\da-fA-F]{8})/g, (_, short?: string, long?: string) => {
    const code = Number.parseInt(short ?? long ?? '', 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : reader.fail('has a character that is none');
  });
}
