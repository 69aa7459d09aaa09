/**
 * The examples of the documentation: those in the doc comments of everything that the entry points export, and the snippets of a
 * Markdown file. Read with a few patterns that fit this project's own style, not any TypeScript.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** A piece of documentation that can be run. */
export interface Example {
  /** What it stands at: `Vocabulary.encode`, or `library.md 3`. */
  readonly name: string;
  readonly code: string;
}

/** The examples of all values that a module exports, of re-exported ones and of a class's methods too. */
export async function examplesOf(path: string): Promise<Example[]> {
  const source = await readFile(path, 'utf8');
  const own = documented(source).filter(({ isExported }) => isExported);
  const others = await Promise.all(
    reexports(source).map(async ({ names, from }) => {
      const file = join(dirname(path), from);
      const there = await readFile(file, 'utf8');
      const found = documented(there).filter(({ owner }) => names.includes(owner));
      const missing = names.filter((name) => !declares(there, name));
      // A name that only passes through.
      const further = await Promise.all(
        reexports(there)
          .filter((next) => next.names.some((name) => missing.includes(name)))
          .map(async (next) =>
            documented(await readFile(join(dirname(file), next.from), 'utf8')).filter(({ owner }) => missing.includes(owner)),
          ),
      );
      return [...found, ...further.flat()];
    }),
  );
  return [...own, ...others.flat()].flatMap(({ name, comment }) => examplesIn(comment).map((code) => ({ name, code })));
}

/** What stands between ```ts fences. */
export async function snippetsOf(path: string, title: string): Promise<Example[]> {
  const source = await readFile(path, 'utf8');
  return Array.from(source.matchAll(/^```ts\n([^]*?)^```$/gm), ([, code = ''], index) => ({ name: `${title} ${index + 1}`, code }));
}

/** A doc comment and what it belongs to. */
interface Documented {
  /** With the class in front, for members. */
  readonly name: string;
  /** The class, or the thing itself. */
  readonly owner: string;
  readonly isExported: boolean;
  readonly comment: string;
}

/** What stands behind a doc comment, up to its name. */
const DECLARATION =
  /\/\*\*((?:(?!\*\/)[^])*)\*\/\n( *)((?:(?:export|default|declare|abstract|static|readonly|override|async|get|class|const|function\*?|interface|type) )*)\*?([A-Za-z_$][\w$]*)/g;

/** A declaration that stands at the beginning of a line. */
const TOP_LEVEL = /^(export )?(?:async |abstract )*(?:function\*?|class|const|interface|type) ([A-Za-z_$][\w$]*)/gm;

function documented(source: string): Documented[] {
  const owners = Array.from(source.matchAll(TOP_LEVEL), ({ index, 1: exported, 2: name = '' }) => ({
    index,
    name,
    isExported: exported !== undefined,
  }));
  return Array.from(source.matchAll(DECLARATION), ({ index, 0: all, 1: comment = '', 2: indent = '', 4: name = '' }) => {
    const end = index + all.length;
    const owner = owners.findLast((each) => each.index < end) ?? { name: '', isExported: false };
    return { name: indent === '' ? name : `${owner.name}.${name}`, owner: owner.name, isExported: owner.isExported, comment };
  });
}

function declares(source: string, name: string): boolean {
  return new RegExp(`^export (async |abstract )?(function\\*?|class|const) ?\\*? ?${name}\\b`, 'm').test(source);
}

/** `export { a, type B, c as d } from './x.ts'`: the values, under the names they have there. */
function reexports(source: string): { readonly names: readonly string[]; readonly from: string }[] {
  return Array.from(source.matchAll(/^export \{([^}]*)\} from '([^']+)';$/gm), ([, list = '', from = '']) => ({
    names: list
      .split(',')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== '' && !entry.startsWith('type '))
      .map((entry) => entry.replace(/ as .*$/, '')),
    from,
  }));
}

/** The @example blocks of a comment, each up to the next tag. */
function examplesIn(comment: string): string[] {
  const text = comment.replaceAll(/^ *\* ?/gm, '').trimEnd();
  return Array.from(text.matchAll(/^ ?@example\b([^]*?)(?=^ ?@\w|$(?![^]))/gm), ([, code = '']) => code.trim());
}

/** A line of code and the result that its comment promises. */
export interface Line {
  readonly code: string;
  /** Undefined where the comment is prose, or there is none. */
  readonly result: string | undefined;
}

/** Takes the code of an example apart: comments that are a value tell what the code before them is. */
export function linesOf(code: string): Line[] {
  return code.split('\n').map((line) => {
    const at = commentAt(line);
    if (at === undefined) return { code: line, result: undefined };
    const comment = line.slice(at + 2).trim();
    return {
      code: line.slice(0, at).trimEnd(),
      result: /^(['"`[{\d]|-\d|(true|false|null|undefined)$)/.test(comment) ? comment : undefined,
    };
  });
}

/** Where a comment begins that is not inside a string. */
function commentAt(line: string): number | undefined {
  let quote: string | undefined;
  for (let index = 0; index < line.length; index++) {
    const character = line[index];
    if (character === '\\') index++;
    else if (quote !== undefined) {
      if (character === quote) quote = undefined;
    } else if (character === "'" || character === '"' || character === '`') quote = character;
    else if (line.startsWith('//', index)) return index;
  }
  return undefined;
}
