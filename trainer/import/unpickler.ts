import { UserError } from '../../text/errors.ts';
import { CONTAINER_OPERATIONS, OBJECT_OPERATIONS, VALUE_OPERATIONS, type Operation } from './pickleOperations.ts';
import { PickleMachine, type PickleRules } from './pickleMachine.ts';
import { PickleReader } from './pickleReader.ts';

/** Largest pickle that is read: the words of a vocabulary take some megabytes, the structure of a file of weights less. */
export const LARGEST_PICKLE = 2 ** 25;

/** Most operations. Each puts at most one small object into memory. A vocabulary of 240,000 words takes 700,000. */
const MOST_OPERATIONS = 2_000_000;

const STOP = 0x2e;

const OPERATIONS: readonly (Operation | undefined)[] = Array.from(
  { length: 256 },
  (_, code) => VALUE_OPERATIONS[code] ?? CONTAINER_OPERATIONS[code] ?? OBJECT_OPERATIONS[code],
);

/** What a pickle holds, and where it ends. */
export interface Unpickled {
  /** Plain data; lists and tuples are arrays, dictionaries maps. Of an untrusted file: check every part before it is used. */
  readonly value: unknown;
  /** Behind the pickle's last byte. */
  readonly end: number;
}

/**
 * Reads a Python pickle, protocols 0 to 5, as data. Nothing is executed and nothing is imported: a pickle is a program that may name
 * any function of Python and call it; here the names of `rules` are the only ones that may stand in it, and what is made of
 * them is ours. It takes memory and time in proportion to the pickle's length, whatever lengths it declares.
 *
 * @param file the file's name, for messages
 * @param bytes the pickle, and what may follow it
 * @param start where it begins
 * @throws UserError where the pickle is damaged, too long, or names what it may not
 * @example
 * const { value } = unpickle('itos.pkl', await readFile('itos.pkl'), { content: 'vocabulary', names: DATA_NAMES });
 */
export function unpickle(file: string, bytes: Uint8Array, rules: PickleRules, start = 0): Unpickled {
  const reader = new PickleReader(file, bytes.subarray(0, start + LARGEST_PICKLE), start);
  const machine = new PickleMachine(reader, rules);
  for (let count = 0; count < MOST_OPERATIONS; count++) {
    const code = reader.uint8();
    if (code === STOP) return { value: machine.pop(), end: reader.position };
    const operation = OPERATIONS[code];
    if (operation === undefined) return reader.fail(`has the unknown operation ${code}`);
    operation(machine, reader);
  }
  throw new UserError(`${file}: its pickle has more than ${MOST_OPERATIONS} operations, which is no file of weights and no vocabulary.`);
}
