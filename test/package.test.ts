/** The package as a stranger gets it: packed, installed into an empty project, imported, type-checked and served from there. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { tokenize } from '../text/tokenizer.ts';
import { whyNoWorkerd } from '../workers/deploy/testing/workerd.ts';
import { expectedAnswer, writeTinyBundle, type TinyClassifier } from './fixtures/tinyClassifier.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const ENTRIES = ['text', 'trainer', 'export', 'serve'].map((room) => `ulmfit/${room}`);
const TEXT = 'The film was not very good!';
/** onnxruntime in float32 against the equations in float64. */
const TOLERANCE = 1e-5;

/** Writes down every module that is loaded, one a line. */
const NOTE_MODULES = `
  import { appendFileSync } from 'node:fs';
  import { registerHooks } from 'node:module';
  registerHooks({ load: (url, context, next) => (appendFileSync(process.env.MODULES_FILE, url + '\\n'), next(url, context)) });
`;

interface Ending {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

let temporary: string;
let project: string;
/** What the package holds, by path. */
let files: readonly string[];
let bundle: string;
let model: TinyClassifier;
/** Why the package could not be installed. */
let unreachable: string | undefined;

beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'ulmfit-test-'));
  project = join(temporary, 'project');
  bundle = join(temporary, 'bundle');
  ({ model } = await writeTinyBundle(bundle, { vocabulary: 80 }));
  const packed = await npm(['pack', '--json', '--pack-destination', temporary], ROOT);
  expect(packed).toMatchObject({ status: 0 });
  // The list stands behind what the build prints.
  const [{ filename, files: entries }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('[\n'))) as [
    { readonly filename: string; readonly files: readonly { readonly path: string }[] },
  ];
  files = entries.map(({ path }) => path);
  await mkdir(project);
  await writeFile(join(project, 'package.json'), '{ "type": "module" }');
  const installed = await npm(['install', '--ignore-scripts', '--prefer-offline', '--no-audit', join(temporary, filename)], project);
  if (/ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENOTCACHED/.test(installed.stderr)) {
    unreachable = `the registry cannot be reached: ${installed.stderr.split('\n')[0]}`;
  } else expect(installed).toMatchObject({ status: 0 });
}, 300_000);

afterAll(() => rm(temporary, { recursive: true, force: true }));

test('it holds what it needs, and no tests', () => {
  const sources = ['lstm.cc', 'kernel.h'].map((name) => `trainer/engine/native/fused/${name}`);
  const programs = [
    'dist/trainer/main.js',
    'dist/trainer/engine/selfCheck.js',
    'dist/benchmark/ours.js',
    'dist/playground/localWorker.js',
    'benchmark/peers/protocol.py',
  ];
  const worker = [
    'dist/workers/deploy/deploy.js',
    'workers/src/worker.ts',
    'workers/kernel/lstm-plain.wasm',
    'workers/kernel/lstm-relaxed.wasm',
  ];
  const types = ENTRIES.map((entry) => `dist/${entry.replace('ulmfit/', '')}/index.d.ts`);
  const model = ['model.json', 'model.safetensors', 'vocabulary.json', 'README.md'].map((name) => `models/wiki-small/${name}`);
  expect(files).toEqual(
    expect.arrayContaining([...sources, ...programs, ...worker, ...types, ...model, 'trainer/bin.mjs', 'LICENSE', 'NOTICE.md']),
  );
  expect(files.filter((file) => /\.test\.|testSupport|testing\/|^(?:workers\/)?(?:test|dist\/assets)\/|^\.|^runs\//.test(file))).toEqual(
    [],
  );
});

test('installing it brings neither TensorFlow nor onnxruntime for the web', async ({ skip }) => {
  skip(unreachable !== undefined, unreachable);
  const lock = JSON.parse(await readFile(join(project, 'package-lock.json'), 'utf8')) as { packages: Record<string, object> };
  const installed = Object.keys(lock.packages);
  expect(installed).toContain('node_modules/onnxruntime-node');
  expect(installed.filter((name) => /tensorflow|onnxruntime-web|typescript|wrangler/.test(name))).toEqual([]);
});

test('it serves a bundle over HTTP, and loads nothing of the trainer but the command line', async ({ skip }) => {
  skip(unreachable !== undefined, unreachable);
  await ulmfit(['serve', '--help'], { modules: 'help.txt' });
  const usual = await modulesIn('help.txt');
  await serving([], { modules: 'serve.txt' }, async (url) => {
    const response = await fetch(`${url}/v1/classify`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: TEXT }),
    });
    expect(response.status).toBe(200);
    const scores = (await response.json()) as { readonly label: string; readonly score: number }[];
    expect(await (await fetch(`${url}/`)).text()).toContain('<!doctype html>');
    const expected = expectedAnswer([model], tokenize(TEXT));
    for (const [index, label] of model.config.labels.entries()) {
      const score = scores.find((one) => one.label === label)?.score ?? Number.NaN;
      expect(Math.abs(score - (expected[index] ?? Number.NaN))).toBeLessThan(TOLERANCE);
    }
  });
  const loaded = await modulesIn('serve.txt');
  expect(loaded).toContain('ulmfit/dist/serve/node/server.js');
  expect(loaded.filter((file) => file.startsWith('ulmfit/dist/trainer/') && !usual.includes(file))).toEqual([
    'ulmfit/dist/trainer/commands/serve.js',
    'ulmfit/dist/trainer/shippedModels.js',
  ]);
  // What the command line itself needs is names and defaults: nothing that reads data, computes or draws.
  expect(loaded.filter((file) => /^ulmfit\/dist\/(trainer\/(api|data|checkpoint|import)|benchmark|export\/graph)\//.test(file))).toEqual(
    [],
  );
  expect(loaded.filter((file) => /tensorflow|vega|resvg|hyparquet|onnx-buf|protobuf/.test(file))).toEqual([]);
}, 120_000);

test('it gives models away where onnxruntime-web is installed, and else says what to install', async ({ skip }) => {
  skip(unreachable !== undefined, unreachable);
  const refused = await ulmfit(['serve', bundle, '--port', '0', '--downloadable']);
  expect(refused.status).toBe(2);
  expect(refused.stderr.trim()).toMatch(
    /^With --downloadable .* which is not installed\. Install it with `npm install onnxruntime-web@\d+\.\d+\.\d+`\.$/,
  );
  const installed = join(project, 'node_modules/onnxruntime-web');
  await symlink(join(ROOT, 'node_modules/onnxruntime-web'), installed);
  try {
    await serving(['--downloadable'], {}, async (url) => {
      for (const [file, bytes] of [
        ['localWorker.js', 100_000],
        ['ort-wasm-simd-threaded.wasm', 10_000_000],
      ] as const)
        expect((await (await fetch(`${url}/playground/${file}`)).arrayBuffer()).byteLength).toBeGreaterThan(bytes);
      expect((await fetch(`${url}/v1/models/tiny/versions/1/files/vocabulary.json`)).status).toBe(200);
    });
  } finally {
    await rm(installed);
  }
}, 120_000);

test('as a library, serving loads nothing of the trainer at all', async ({ skip }) => {
  skip(unreachable !== undefined, unreachable);
  const program = `
    import { openBundle } from 'ulmfit/serve';
    const classifier = await openBundle(${JSON.stringify(bundle)});
    const [[logits]] = await classifier.classify(['good']);
    console.log(logits.length);
    await classifier.dispose();
  `;
  const ending = await node(['--input-type=module', '-e', program], { modules: 'library.txt' });
  expect(ending).toMatchObject({ status: 0, stdout: '3\n' });
  const loaded = await modulesIn('library.txt');
  expect(loaded).toContain('ulmfit/dist/serve/node/runtime.js');
  expect(loaded.filter((file) => /^ulmfit\/dist\/(?!serve|text|export\/(?:bundle|parityDocuments))/.test(file))).toEqual([]);
});

test('its entry points offer what the sources do', async ({ skip }) => {
  skip(unreachable !== undefined, unreachable);
  const program = `
    const names = {};
    for (const entry of ${JSON.stringify(ENTRIES)}) names[entry] = Object.keys(await import(entry)).toSorted();
    console.log(JSON.stringify(names));
  `;
  const { stdout, stderr } = await node(['--input-type=module', '-e', program]);
  expect(stderr).toBe('');
  const sources = await Promise.all(ENTRIES.map(async (entry) => [entry, Object.keys((await import(entry)) as object).toSorted()]));
  expect(JSON.parse(stdout)).toEqual(Object.fromEntries(sources));
});

test('what imports it has types, under a strict compiler', async ({ skip }) => {
  skip(unreachable !== undefined, unreachable);
  // Types of Node itself are for every project to install.
  await mkdir(join(project, 'node_modules/@types'), { recursive: true });
  for (const name of ['@types/node', 'undici-types']) await symlink(join(ROOT, 'node_modules', name), join(project, 'node_modules', name));
  const serving = `
    import { tokenize, Vocabulary } from 'ulmfit/text';
    import { readBundle, type Bundle } from 'ulmfit/export';
    import { openBundle, startServer, type RunningServer } from 'ulmfit/serve';

    export const tokens: readonly string[] = tokenize('A fine film.');
    export const ids: Int32Array = Vocabulary.fromTokens(tokens).encode(tokens);
    export const labels = async (): Promise<readonly string[]> => ((await readBundle('bundle')).bundle satisfies Bundle).labels;
    export const server: Promise<RunningServer> = startServer('bundle', { port: 0 });
    export const logits: Float32Array | undefined = (await (await openBundle('bundle')).classify(['good']))[0]?.[0];
    // @ts-expect-error: a wrong type is an error, so the types are not just "any"
    export const wrong: number = tokenize('A fine film.');
    // @ts-expect-error: there is no such option
    export const unknown = startServer('bundle', { prot: 0 });
    // @ts-expect-error: a folder is a string
    export const folder = openBundle(1);
  `;
  const training = `
    import { train, type Evaluation, type TrainOptions } from 'ulmfit/trainer';

    export const options: TrainOptions = { from: 'models/lm', out: 'runs/classifier', epochs: 1 };
    export const trained: Promise<object> = train('reviews.csv', options);
    export const accuracy = (evaluation: Evaluation): number | undefined =>
      evaluation.task === 'singleLabel' ? evaluation.metrics.accuracy : undefined;
    // @ts-expect-error: there is no such recipe
    export const recipe: TrainOptions = { from: 'models/lm', out: 'runs/classifier', recipe: 'none' };
  `;
  expect(await compile('serving', serving, { skipLibCheck: false })).toEqual({ status: 0, stdout: '', stderr: '' });
  // A few of the trainer's declarations name types of TensorFlow, which is not there.
  expect(await compile('training', training, { skipLibCheck: true })).toEqual({ status: 0, stdout: '', stderr: '' });
}, 120_000);

test('what trains says what to install', async ({ skip }) => {
  skip(unreachable !== undefined, unreachable);
  const missing = `@tensorflow/tfjs-node-gpu@${(await peers())['@tensorflow/tfjs-node-gpu']}`;
  const sentence = new RegExp(`Training needs the package .*\`npm install --ignore-scripts ${missing}\`.*\`npx ulmfit setup\``);
  await writeFile(join(project, 'corpus.txt'), 'Some words.\n'.repeat(20));
  for (const args of [['setup'], ['pretrain', 'corpus.txt', '--out', 'runs/lm', '--preset', 'small']]) {
    const ending = await ulmfit(args);
    expect(ending.status).toBe(2);
    expect(ending.stderr.trim()).toMatch(sentence);
    expect(ending.stderr.trim().split('\n')).toHaveLength(1);
  }
  expect((await ulmfit(['doctor'])).stdout).toMatch(sentence);
  expect(await ulmfit(['tokenize', 'Some words.'])).toMatchObject({ status: 0, stdout: 'xxbos xxmaj some words .\n' });
}, 120_000);

test('it deploys, and says what to install for that', async ({ skip }) => {
  skip(unreachable !== undefined, unreachable);
  const deploy = ['deploy', bundle, '--dry-run'];
  expect(await ulmfit([...deploy, '--int8'])).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(
      /wrangler is not installed, which builds and uploads Workers\. Install it with `npm install wrangler@4`\.\n$/,
    ),
  });
  expect((await ulmfit(['rollback', '--name', 'reviews'])).stderr).toContain('npm install wrangler@4');
  expect(await ulmfit(['jobs', 'status', 'f'.repeat(32), '--url', 'http://127.0.0.1:9'])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('http://127.0.0.1:9 cannot be reached'),
  });

  await symlink(join(ROOT, 'node_modules/wrangler'), join(project, 'node_modules/wrangler'));
  const wanted = (await peers())['onnxruntime-web'];
  expect(await ulmfit(deploy)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining(`npm install onnxruntime-web@${wanted}`),
  });
  const noWorkerd = whyNoWorkerd();
  skip(noWorkerd !== undefined, noWorkerd);
  const deployed = await ulmfit([...deploy, '--int8', '--json']);
  expect(deployed, deployed.stderr).toMatchObject({ status: 0 });
  const report = JSON.parse(deployed.stdout) as {
    findings: { isWithin: boolean }[];
    local: { figures: { documents: number }; largest: number };
  };
  expect(report.findings.every(({ isWithin }) => isWithin)).toBe(true);
  expect(report.local.figures.documents).toBeGreaterThan(3);
  expect(report.local.largest).toBeLessThan(0.05);
}, 240_000);

/** The versions of the packages that ulmfit works with and does not bring along. */
async function peers(): Promise<Readonly<Record<string, string>>> {
  const { peerDependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    peerDependencies: Readonly<Record<string, string>>;
  };
  return peerDependencies;
}

interface RunOptions {
  /** The file that gets the names of the modules that are loaded. */
  readonly modules?: string;
}

/** Serves the bundle with the installed command while `use` asks it. */
async function serving(flags: readonly string[], options: RunOptions, use: (url: string) => Promise<void>): Promise<void> {
  const child = spawn('npx', ['ulmfit', 'serve', bundle, '--port', '0', ...flags], {
    cwd: project,
    env: await environment(options),
    // A group of its own: npx passes on no signals.
    detached: true,
  });
  let stderr = '';
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  const exited = once(child, 'exit');
  try {
    const { value: line } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
    const url = /^listening on (http:\S+)$/.exec(line ?? '')?.[1];
    if (url === undefined) throw new Error(`The server did not start: ${stderr}`);
    await use(url);
  } finally {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM');
    await exited;
  }
}

/** A shell of the project, in which Node is this one. */
async function environment({ modules }: RunOptions = {}): Promise<NodeJS.ProcessEnv> {
  const { NODE_OPTIONS: _, ...own } = process.env;
  const shell = { ...own, PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter) };
  if (modules === undefined) return shell;
  const hook = join(temporary, 'noteModules.mjs');
  await writeFile(hook, NOTE_MODULES);
  return { ...shell, NODE_OPTIONS: `--import=${hook}`, MODULES_FILE: join(temporary, modules) };
}

const npm = async (args: readonly string[], folder: string): Promise<Ending> => run('npm', ['--loglevel=error', ...args], folder);

const node = async (args: readonly string[], options?: RunOptions): Promise<Ending> => run(process.execPath, args, project, options);

const ulmfit = async (args: readonly string[], options?: RunOptions): Promise<Ending> =>
  run(join(project, 'node_modules/.bin/ulmfit'), args, project, options);

async function compile(name: string, source: string, options: { readonly skipLibCheck: boolean }): Promise<Ending> {
  const compilerOptions = { strict: true, module: 'NodeNext', target: 'ESNext', noEmit: true, types: ['node'], ...options };
  await writeFile(join(project, `${name}.ts`), source);
  await writeFile(join(project, `${name}.json`), JSON.stringify({ compilerOptions, files: [`${name}.ts`] }));
  return node([join(ROOT, 'node_modules/typescript/bin/tsc'), '--pretty', 'false', '-p', `${name}.json`]);
}

async function run(program: string, args: readonly string[], cwd: string, options?: RunOptions): Promise<Ending> {
  const env = await environment(options);
  return new Promise((resolve) => {
    execFile(program, args, { cwd, env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

/** Paths of the modules that were noted, below the project's node_modules. */
async function modulesIn(file: string): Promise<string[]> {
  const urls = (await readFile(join(temporary, file), 'utf8')).split('\n');
  const folder = `${pathToFileURL(join(project, 'node_modules')).href}/`;
  return urls.flatMap((url) => (url.startsWith(folder) ? [url.slice(folder.length)] : []));
}
