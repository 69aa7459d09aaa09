import { stat } from 'node:fs/promises';
import { UserError } from '../../text/errors.ts';
import { Vocabulary } from '../../text/vocabulary.ts';
import { BEGIN, FIELD, PADDING, REPEATED_CHARACTER, REPEATED_WORD, SPECIAL_TOKENS, UNKNOWN, UPPER_CASE } from '../../text/specialTokens.ts';
import { DATA_NAMES, FASTAI_CATEGORIES, FASTAI_LIST, FASTAI_VOCABULARY } from './dataNames.ts';
import { FileSlices } from './fileSlices.ts';
import { PythonObject } from './pythonName.ts';
import { LARGEST_PICKLE, unpickle } from './unpickler.ts';

/** The words of a vocabulary file in the order of the model's rows. */
export interface FastaiVocabulary {
  readonly tokens: readonly string[];
  /** The classes of a classifier, where the file names them, as fastai 2's `dls.vocab` does. */
  readonly labels: readonly string[] | undefined;
}

/** What fastai 0.7 called the special tokens (its text.py of 2018: `Tokenizer`, and the notebooks' `_unk_`, `_pad_`, `xbos`, `xfld`). */
const OLD_NAMES: ReadonlyMap<string, string> = new Map([
  ['_unk_', UNKNOWN],
  ['_pad_', PADDING],
  ['xbos', BEGIN],
  ['xfld', FIELD],
  ['tk_rep', REPEATED_CHARACTER],
  ['tk_wrep', REPEATED_WORD],
  ['t_up', UPPER_CASE],
]);

/** fastai's and our filling up to a multiple of 8; the one token that may stand there several times. */
const FILLER = 'xxfake';
const MULTIPLE = 8;

/**
 * Reads the words of a fastai model: a pickle (fastai's `itos`, `learn.dls.vocab`) or JSON; a list of words, a list of lists of which
 * the first has the words and the second the classes, or a dictionary from words to their numbers. Nothing in it is executed.
 *
 * @throws UserError where the file cannot be read, is of another kind, or holds something else than words
 * @example
 * const { tokens } = await readFastaiVocabulary('itos_wt103.pkl');
 */
export async function readFastaiVocabulary(path: string): Promise<FastaiVocabulary> {
  const bytes = await readWhole(path);
  const items = listOf(parse(path, bytes));
  if (items === undefined) {
    throw new UserError(`${path} holds no list of words. Give fastai's itos: pickle.dump(list(learn.dls.vocab), open('itos.pkl', 'wb')).`);
  }
  const words = listOf(items[0]);
  if (words === undefined) return { tokens: asTokens(path, items), labels: undefined };
  const labels = listOf(items[1]);
  return { tokens: asTokens(path, words), labels: labels?.every((label) => typeof label === 'string') ? labels : undefined };
}

async function readWhole(path: string): Promise<Uint8Array> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() && found.size > LARGEST_PICKLE) throw new UserError(`${path} has ${found.size} bytes: that is no vocabulary.`);
  const file = await FileSlices.open(path);
  try {
    if (file.size === 0) throw new UserError(`${path} is empty.`);
    return await file.read(0, file.size);
  } finally {
    await file.close();
  }
}

/** A pickle begins with its protocol, or in the old protocols with a list, a dictionary or a name. */
const PICKLE_STARTS = [0x80, ...Array.from('(]}lc', (character) => character.charCodeAt(0))];

function parse(path: string, bytes: Uint8Array): unknown {
  if (PICKLE_STARTS.includes(bytes[0] ?? 0)) return unpickle(path, bytes, { content: 'vocabulary', names: DATA_NAMES }).value;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new UserError(`${path} is neither a Python pickle nor JSON. Give fastai's itos as a pickle, or a JSON array of the words.`, {
      cause: error,
    });
  }
}

/** A list as Python's and fastai's pickles and JSON have it: by itself, as a container's items, or as words and their numbers. */
function listOf(value: unknown): readonly unknown[] | undefined {
  if (Array.isArray(value)) return value;
  if (value instanceof Map) return inOrder(value);
  if (value instanceof PythonObject) return itemsOf(value);
  const isJsonObject = typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
  return isJsonObject ? inOrder(new Map(Object.entries(value))) : undefined;
}

/** What a container of fastai's or fastcore's has in it. A `CategoryMap` keeps its items in an `L`. */
function itemsOf(container: PythonObject): readonly unknown[] | undefined {
  let value: unknown = container;
  for (let depth = 0; depth < 2 && value instanceof PythonObject && value.state instanceof Map; depth++) {
    const { className, state } = value;
    if (className === FASTAI_VOCABULARY) value = state.get('itos');
    else if (className === FASTAI_LIST || className === FASTAI_CATEGORIES) value = state.get('items');
  }
  return Array.isArray(value) ? value : undefined;
}

/** The words of a dictionary from words to the numbers 0, 1, 2, …, or from the numbers to the words. */
function inOrder(map: ReadonlyMap<unknown, unknown>): readonly unknown[] | undefined {
  const words: unknown[] = Array.from({ length: map.size });
  const places = new Set<number>();
  for (const [key, value] of map) {
    const [word, place] = typeof value === 'number' ? [key, value] : [value, Number(key)];
    if (!Number.isInteger(place) || place < 0 || place >= map.size) return undefined;
    places.add(place);
    words[place] = word;
  }
  return places.size === map.size && map.size > 0 ? words : undefined;
}

function asTokens(path: string, items: readonly unknown[]): string[] {
  return items.map((item, index) => {
    if (typeof item === 'string') return item;
    throw new UserError(`${path}: item ${index} of the vocabulary is no text but ${kindOf(item)}. A vocabulary is a list of words.`);
  });
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'number' || typeof value === 'bigint') return 'a number';
  if (typeof value === 'boolean') return 'a truth value';
  return value instanceof Uint8Array ? 'bytes' : 'a container';
}

/** Where a row of the new model comes from: a row of the old one, or none. */
export const MEAN_ROW = -1;
export const FILLING_ROW = -2;

/** How the rows of fastai's model become rows of ours. */
export interface VocabularyPlan {
  readonly vocabulary: Vocabulary;
  /** For each row its old number, or {@link MEAN_ROW} for a special token that fastai's model lacks, or {@link FILLING_ROW}. */
  readonly rows: Int32Array;
  /** Tokens that have got another name, old and new. */
  readonly renamed: readonly (readonly [from: string, to: string])[];
  /** Special tokens that the model lacks. */
  readonly missing: readonly string[];
  /** Rows that fill it up to a multiple of 8. */
  readonly filling: number;
}

/**
 * Puts the special tokens into the places they have here, and every other word behind them in its old order.
 *
 * @param path the vocabulary's file, for messages
 * @throws UserError where a word stands twice
 */
export function planVocabulary(path: string, given: readonly string[]): VocabularyPlan {
  const present = new Set(given);
  const renamed: [string, string][] = [];
  const tokens = given.map((token) => {
    const name = OLD_NAMES.get(token);
    if (name === undefined || present.has(name)) return token;
    renamed.push([token, name]);
    return name;
  });
  const places = placesOf(path, tokens);
  const specials = new Set<string>(SPECIAL_TOKENS);
  const rows: number[] = SPECIAL_TOKENS.map((token) => places.get(token) ?? MEAN_ROW);
  for (const [row, token] of tokens.entries()) if (!specials.has(token)) rows.push(row);
  const filling = (MULTIPLE - (rows.length % MULTIPLE)) % MULTIPLE;
  for (let count = 0; count < filling; count++) rows.push(FILLING_ROW);
  const names = rows.map((row, id) => (row === FILLING_ROW ? FILLER : (tokens[row] ?? SPECIAL_TOKENS[id] ?? '')));
  return {
    vocabulary: Vocabulary.fromTokens(names),
    rows: Int32Array.from(rows),
    renamed,
    missing: SPECIAL_TOKENS.filter((token) => !places.has(token)),
    filling,
  };
}

function placesOf(path: string, tokens: readonly string[]): Map<string, number> {
  const places = new Map<string, number>();
  for (const [place, token] of tokens.entries()) {
    const first = places.get(token);
    if (first !== undefined && token !== FILLER) {
      throw new UserError(
        `${path} has ${JSON.stringify(token)} twice, as words ${first} and ${place}: which row is it? Rename one of them.`,
      );
    }
    places.set(token, place);
  }
  return places;
}
