/** Every example in the documentation of the library: that it compiles, that it runs, and that it gives what it says. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import * as exporting from 'ulmfit/export';
import * as serving from 'ulmfit/serve';
import * as text from 'ulmfit/text';
import * as trainer from 'ulmfit/trainer';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Example, examplesOf, linesOf, snippetsOf } from './examples.ts';
import { generatedDocuments, generatedReviews, jsonLines } from './fixtures/generatedText.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const ENTRIES: Readonly<Record<string, object>> = {
  'ulmfit/text': text,
  'ulmfit/trainer': trainer,
  'ulmfit/export': exporting,
  'ulmfit/serve': serving,
};

/** What is only compiled, and why. */
const NOT_RUN: Readonly<Record<string, string>> = {
  importFastai: "needs fast.ai's weights; trainer/import has tests with such files",
  measureCurve: 'trains a dozen models; trainer/experiments tests it',
  ablate: 'trains a dozen models; trainer/experiments tests it',
};

const examples = (
  await Promise.all(Object.keys(ENTRIES).map((entry) => examplesOf(join(ROOT, entry.replace('ulmfit/', ''), 'index.ts'))))
).flat();
const snippets = await snippetsOf(join(ROOT, 'docs/library.md'), 'library.md');

let temporary: string;
/** What the examples find where they run. */
let fixture: string;
let workingFolder: string;

beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'ulmfit-test-'));
  fixture = join(temporary, 'fixture');
  await writeFixture(fixture);
  return () => rm(temporary, { recursive: true });
});

/** Data and models under the names that the examples use, all of them tiny. */
async function writeFixture(folder: string): Promise<void> {
  const at = (name: string): string => join(folder, name);
  const table = (count: number, seed: number): string =>
    `text,label\n${generatedReviews(count, seed)
      .map((each) => `${each.text},${each.label}\n`)
      .join('')}`;
  const articles = generatedReviews(8, 4).map((each) => `A title,${each.text},${each.label}\n`);
  await mkdir(at('wiki'), { recursive: true });
  await writeFile(at('wiki/a.jsonl'), jsonLines(generatedDocuments(40, 10, 1)));
  await writeFile(at('wiki.train.tokens'), ` = A film = \n\n ${generatedDocuments(1, 5, 2).join('')} \n`);
  await writeFile(at('reviews.csv'), table(160, 2));
  await writeFile(at('test.csv'), table(30, 3));
  await writeFile(at('articles.csv.gz'), gzipSync(`title,body,label\n${articles.join('')}`));
  const sizes = { embedding: 8, hidden: 12, layers: 2, vocab: 200 };
  await trainer.pretrain(at('wiki/'), { ...sizes, out: at('models/wiki-small'), batch: 8, bptt: 16, epochs: 1 });
  await cp(at('models/wiki-small'), at('models/reviews-lm'), { recursive: true });
  const fast = { batch: 8, learningRate: 0.03, unfreezing: 'full', discriminative: false } as const;
  await trainer.train(at('reviews.csv'), { from: at('models/wiki-small'), out: at('models/reviews'), epochs: 6, ...fast });
  await exporting.exportClassifier(at('models/reviews'), { out: at('bundles/reviews'), documents: at('test.csv') });
}

/** Works in a copy of the fixture, so that no example meets what another one has left. */
async function inCopy(name: string): Promise<void> {
  const folder = join(temporary, name);
  await cp(fixture, folder, { recursive: true });
  process.chdir(folder);
}

beforeEach(() => {
  workingFolder = process.cwd();
});
afterEach(() => {
  process.chdir(workingFolder);
  vi.restoreAllMocks();
});

describe('the examples of doc comments', () => {
  it('are there for nearly all that is exported', () => {
    const functions = Object.values(ENTRIES).flatMap((entry) =>
      Object.entries(entry).flatMap(([name, value]) => (typeof value === 'function' ? [name] : [])),
    );
    const withExample = new Set(examples.map(({ name }) => name.replace(/\..*$/, '')));
    expect(functions.filter((name) => !withExample.has(name))).toEqual([
      'UserError',
      'requestDevice',
      'requestPrecision',
      'QueueFullError',
    ]);
    expect(Object.keys(NOT_RUN).filter((name) => !withExample.has(name))).toEqual([]);
  });

  it.each(examples.filter(({ name }) => NOT_RUN[name] === undefined))(
    '$name',
    async ({ name, code }) => {
      await inCopy(name);
      const { promised, reached } = await run(code);
      expect(reached).toBe(promised);
      // Long: an example that is given up goes on, in the folder to which the test has returned.
    },
    300_000,
  );
});

it('the snippets of docs/library.md, one after the other', async () => {
  await inCopy('library');
  expect(snippets.length).toBeGreaterThanOrEqual(6);
  for (const { code } of snippets) {
    const { promised, reached } = await run(code);
    expect(reached).toBe(promised);
  }
});

it('all of them have the right types, and the package is found by its name', async () => {
  const folder = join(temporary, 'types');
  await mkdir(join(folder, 'node_modules'), { recursive: true });
  await symlink(ROOT, join(folder, 'node_modules', 'ulmfit'), 'junction');
  const compilerOptions = { typeRoots: [join(ROOT, 'node_modules/@types')], types: ['node'] };
  const project = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['*.ts'], exclude: [] };
  await writeFile(join(folder, 'package.json'), '{"type": "module"}');
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(project));
  for (const example of [...examples, ...snippets]) {
    await writeFile(join(folder, `example ${example.name}.ts`), `${withImports(example)}\nexport {};\n`);
  }
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, [tsc, '--noEmit', '--pretty', 'false', '-p', folder], (_error, stdout, stderr) => resolve(stdout + stderr));
  });
  // What is wrong in the project's own files is for "npm run types" to say.
  const ofExamples = output.split('\n').filter((line) => /example [^/]*\.ts\(|^error/.test(line));
  expect(ofExamples).toEqual([]);
});

it('Node alone finds the package by its name too, and loads no TensorFlow until something is computed', async () => {
  const script = `
    import { createRequire } from 'node:module';
    const names = {};
    for (const entry of ${JSON.stringify(Object.keys(ENTRIES))}) names[entry] = Object.keys(await import(entry)).length;
    const loaded = Object.keys(createRequire(import.meta.url).cache).filter((file) => /@tensorflow|onnxruntime/.test(file));
    console.log(JSON.stringify({ names, loaded }));
  `;
  const output = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, ['--conditions=ulmfit-source', '--input-type=module', '-e', script], { cwd: ROOT }, (error, stdout) =>
      error === null ? resolve(stdout) : reject(new Error(error.message)),
    );
  });
  const names = Object.fromEntries(Object.entries(ENTRIES).map(([entry, module]) => [entry, Object.keys(module).length]));
  expect(JSON.parse(output)).toEqual({ names, loaded: [] });
});

it('ulmfit/text needs nothing but its own files', async () => {
  const seen = new Set<string>();
  const visit = async (file: URL): Promise<void> => {
    if (seen.has(file.href)) return;
    seen.add(file.href);
    const source = await readFile(file, 'utf8');
    for (const [, specifier = ''] of source.matchAll(/^(?:import|export) [^;]*?from '([^']+)'/gms)) {
      expect(specifier, file.href).toMatch(/^\.\/[\w]+\.ts$/);
      await visit(new URL(specifier, file));
    }
  };
  await visit(new URL('../text/index.ts', import.meta.url));
  expect(seen.size).toBeGreaterThan(10);
});

/** An example with imports of all that the library has, where it has no imports of its own. */
function withImports({ name, code }: Example): string {
  if (name.startsWith('library.md')) return code;
  const imports = Object.entries(ENTRIES).map(([entry, module]) => {
    const used = Object.keys(module).filter((exported) => new RegExp(`\\b${exported}\\b`).test(code));
    return used.length === 0 ? '' : `import { ${used.join(', ')} } from '${entry}';\n`;
  });
  return imports.join('') + code;
}

const IMPORT = /^import \{([^}]*)\} from '([^']+)';$/gm;

type Body = (...values: unknown[]) => Promise<void>;
const AsyncFunction = (async () => {}).constructor as new (...parametersAndBody: string[]) => Body;

/**
 * Runs an example. Where a comment says what a line gives, the line is compared with it.
 *
 * @returns how many comments promised a result, and how many of these lines were reached
 */
async function run(code: string): Promise<{ promised: number; reached: number }> {
  vi.spyOn(console, 'log').mockImplementation(() => undefined);
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
  const { lines, promised } = checked(code.replaceAll(IMPORT, ''));
  let reached = 0;
  const check = (found: unknown, expected: unknown): void => {
    reached++;
    expect(found).toEqual(withPatterns(expected));
  };
  const known: Record<string, unknown> = Object.assign({ __check: check, __any: expect.anything() }, ...Object.values(ENTRIES));
  for (const [, names = '', from = ''] of code.matchAll(IMPORT)) {
    if (ENTRIES[from] !== undefined) continue;
    const module = (await import(from)) as Record<string, unknown>;
    for (const name of names.split(',')) known[name.trim()] = module[name.trim()];
  }
  const body = new AsyncFunction(...Object.keys(known), stripTypeScriptTypes(lines.join('\n')));
  await body(...Object.values(known));
  return { promised, reached };
}

/** The lines of an example with a call of `__check` where a result is promised, and how many there are. */
function checked(code: string): { lines: string[]; promised: number } {
  const parts = linesOf(code);
  const lines = parts.map((line) => {
    if (line.result === undefined) return line.code;
    // An ellipsis stands for anything: in a string for any text, elsewhere for any value.
    const expected = line.result.replaceAll(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|…/g, (part) => (part === '…' ? '__any' : part));
    const logged = /^(.*)\bconsole\.log\((.*)\);?$/.exec(line.code);
    if (logged !== null) return `${logged[1]}__check(${logged[2]}, (${expected}));`;
    const named = /^const (\w+) = .*;$/.exec(line.code);
    if (named !== null) return `${line.code} __check(${named[1]}, (${expected}));`;
    if (/^(const|let|if|for|while|try|throw|return|function|class|import)\b|^[})\]]/.test(line.code)) {
      throw new Error(`The comment after "${line.code}" looks like a result, but this is no expression.`);
    }
    return `__check(${line.code.replace(/;$/, '')}, (${expected}));`;
  });
  return { lines, promised: parts.filter(({ result }) => result !== undefined).length };
}

function withPatterns(value: unknown): unknown {
  if (typeof value === 'string' && value.includes('…')) {
    const parts = value.split('…').map((part) => RegExp.escape(part));
    return expect.stringMatching(new RegExp(`^${parts.join('[^]*')}$`));
  }
  if (Array.isArray(value)) return value.map(withPatterns);
  if (typeof value !== 'object' || value === null || 'asymmetricMatch' in value) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withPatterns(each)]));
}
