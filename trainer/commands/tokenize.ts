import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { UserError } from '../../text/errors.ts';
import { tokenizeFields } from '../../text/tokenizer.ts';
import { Vocabulary } from '../../text/vocabulary.ts';
import { locateModel } from '../shippedModels.ts';
import { readDocuments } from '../data/readers.ts';
import { fileError } from '../data/source.ts';
import { printJson, printLine } from '../report/results.ts';
import type { TokenizeOptions } from './options.ts';

/**
 * `ulmfit tokenize`: the tokens of texts, one line a text, with `--from` a line of ids after it; with `--json` one object
 * `{"tokens": [...], "ids": [...]}` a text. Texts on the command line come before those of `--file`.
 *
 * @throws UserError where there is no text, or a file cannot be read
 */
export async function tokenize(texts: readonly string[], options: TokenizeOptions = {}): Promise<void> {
  if (texts.length === 0 && options.file === undefined) {
    throw new UserError('There is nothing to tokenize. Give texts in quotes, or a file with --file; "--file -" is standard input.');
  }
  const vocabulary = options.from === undefined ? undefined : await readVocabulary(options.from);
  const print = options.json ? printAsJson : printAsText;
  for (const text of texts) await print(tokenizeFields([text]), vocabulary);
  if (options.file === undefined) return;
  for await (const { fields } of readDocuments(options.file, { text: options.text, labels: 'ignored' })) {
    await print(tokenizeFields(fields), vocabulary);
  }
}

async function printAsJson(tokens: readonly string[], vocabulary: Vocabulary | undefined): Promise<void> {
  await printJson({ tokens, ...(vocabulary && { ids: [...vocabulary.encode(tokens)] }) });
}

async function printAsText(tokens: readonly string[], vocabulary: Vocabulary | undefined): Promise<void> {
  await printLine(tokens.map(visible).join(' '));
  if (vocabulary) await printLine(vocabulary.encode(tokens).join(' '));
}

/** White space is a token too, at times: it is shown as "\n". */
function visible(token: string): string {
  return /[\s\p{Cc}]/u.test(token) ? JSON.stringify(token) : token;
}

/** Where a model folder or a bundle has its vocabulary; of two directions with one each, the forward one counts. */
const VOCABULARY_FILES = ['vocabulary.json', 'forward-vocabulary.json', join('forward', 'vocabulary.json')];

async function readVocabulary(pathOrName: string): Promise<Vocabulary> {
  const folder = await locateModel(pathOrName);
  const paths = VOCABULARY_FILES.map((file) => join(folder, file));
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      if (path === paths.at(-1)) throw fileError(error, join(folder, 'vocabulary.json'));
    });
    if (text !== undefined) return Vocabulary.fromTokens(parseTokens(text, path));
  }
  throw new Error(`no vocabulary was looked for in ${folder}`);
}

function parseTokens(text: string, path: string): string[] {
  let tokens: unknown;
  try {
    tokens = JSON.parse(text);
  } catch {
    // Falls through: what is no JSON is no list either.
  }
  if (Array.isArray(tokens) && tokens.every((token) => typeof token === 'string')) return tokens;
  throw new UserError(`${path} is damaged: it should be a JSON list of tokens. Name the folder of a whole model or bundle.`);
}
