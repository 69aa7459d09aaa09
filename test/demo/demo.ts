/**
 * `npm run demo`: the whole product on real reviews, each step by the command that a person would type. Asks the classifier that comes along; then
 * makes one: fine-tunes the language model of reviews that comes along on more of them, trains a classifier with 200 labels, measures it on held-out
 * reviews, exports it, serves it and asks it over HTTP.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs, styleText } from 'node:util';
import { gunzipSync } from 'node:zlib';

const ROOT = join(import.meta.dirname, '..', '..');
const ULMFIT = join(ROOT, 'trainer', 'bin.mjs');
const OUT = join(ROOT, 'runs', 'demo');
const LANGUAGE_MODEL = 'reviews-small';
const REVIEWS = join(import.meta.dirname, 'movie-reviews.jsonl.gz');

/** Reviews with a label to train on; the rest of the training part is used without its labels. */
const LABELLED = 200;
const HELD_OUT = 200;

const QUESTIONS = [
  'a warm , funny film , wonderfully acted , one of the best of the year .',
  'the plot makes no sense , the jokes are stupid and the acting is awful . a waste of time .',
];

interface Review {
  readonly text: string;
  readonly label: string;
}

const { values: flags } = parseArgs({
  options: { compare: { type: 'boolean', default: false }, seed: { type: 'string', default: '1' } },
});
const started = performance.now();
await main();

async function main(): Promise<void> {
  await step('The classifier of film reviews that comes along', 'predict', 'sentiment-small', ...QUESTIONS);

  const path = await writeData();
  const seed = ['--seed', flags.seed];

  await step('Set up the training engine', 'setup');
  await step(
    'Step 2 of ULMFiT: the language model of reviews reads 300 more, of another kind, without their labels',
    'finetune',
    path.unlabelled,
    '--from',
    LANGUAGE_MODEL,
    '--out',
    path.languageModel,
    '--epochs',
    '1',
    '--batch',
    '32',
    '--drop-mult',
    '0.5',
    ...seed,
  );
  await step(
    `Step 3: a classifier learns from ${LABELLED} labelled reviews`,
    'train',
    path.labelled,
    '--from',
    path.languageModel,
    '--out',
    path.classifier,
    '--valid-fraction',
    '0',
    '--epochs',
    '8',
    ...seed,
  );
  const accuracy = await measure(`How good is it? ${HELD_OUT} reviews that it has never seen`, path.classifier, path.heldOut);
  let fromScratch: number | undefined;
  if (flags.compare) {
    await step(
      'For comparison: the same labels, without a pretrained language model',
      'train',
      path.labelled,
      '--from-scratch',
      '--out',
      path.scratch,
      '--valid-fraction',
      '0',
      '--epochs',
      '8',
      ...seed,
    );
    fromScratch = await measure('And how good is that?', path.scratch, path.heldOut);
  }
  await step('Export to ONNX, checked against the trainer', 'export', path.classifier, '--out', path.bundle, '--documents', path.heldOut);
  await askOverHttp(path.bundle);

  heading('Done');
  console.log(
    `held-out accuracy   ${percent(accuracy)} with ${LABELLED} labels${fromScratch === undefined ? '' : `; ${percent(fromScratch)} from scratch`}`,
  );
  for (const [what, where] of [
    ['language model', path.languageModel],
    ['classifier', path.classifier],
    ['bundle', path.bundle],
  ] as const) {
    console.log(`${what.padEnd(20)}${relative(process.cwd(), where)}`);
  }
  console.log(`time                ${Math.round((performance.now() - started) / 1000)} s`);
  console.log(`\nServe it:  npx ulmfit serve ${relative(process.cwd(), path.bundle)}`);
}

/** Unpacks the reviews: 200 held out, 300 to fine-tune on, 200 of these with their labels. */
async function writeData() {
  await rm(OUT, { recursive: true, force: true });
  await mkdir(OUT, { recursive: true });
  const lines = gunzipSync(await readFile(REVIEWS))
    .toString('utf8')
    .trim()
    .split('\n');
  const reviews = lines.map((line) => JSON.parse(line) as Review);
  const training = reviews.slice(HELD_OUT);
  const path = {
    labelled: join(OUT, 'labelled.jsonl'),
    unlabelled: join(OUT, 'unlabelled.jsonl'),
    heldOut: join(OUT, 'held-out.jsonl'),
    languageModel: join(OUT, 'language-model'),
    classifier: join(OUT, 'classifier'),
    scratch: join(OUT, 'from-scratch'),
    bundle: join(OUT, 'bundle'),
  };
  await writeJsonLines(path.labelled, training.slice(0, LABELLED));
  await writeJsonLines(
    path.unlabelled,
    training.map(({ text }) => ({ text })),
  );
  await writeJsonLines(path.heldOut, reviews.slice(0, HELD_OUT));
  return path;
}

async function writeJsonLines(path: string, records: readonly object[]): Promise<void> {
  await writeFile(path, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
}

async function step(title: string, ...args: string[]): Promise<void> {
  heading(title, args);
  const child = ulmfit(args, 'inherit');
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) process.exit(code ?? 1);
}

async function measure(title: string, model: string, data: string): Promise<number> {
  heading(title, ['evaluate', model, data]);
  const child = ulmfit(['evaluate', model, data, '--json'], 'pipe');
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) process.exit(code ?? 1);
  const { accuracy } = JSON.parse(output) as { accuracy: number };
  console.log(`accuracy ${percent(accuracy)}`);
  return accuracy;
}

async function askOverHttp(bundle: string): Promise<void> {
  heading('Serve it, and ask over HTTP', ['serve', bundle, '--port', '0']);
  const server = ulmfit(['serve', bundle, '--port', '0'], 'pipe');
  if (server.stdout === null) throw new Error('the server has no output');
  let url: string | undefined;
  for await (const line of createInterface(server.stdout)) {
    url = /^listening on (\S+)/.exec(line)?.[1];
    if (url !== undefined) break;
  }
  if (url === undefined) process.exit(1); // The server has said why.
  const response = await fetch(`${url}/v1/classify`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ inputs: QUESTIONS }),
  });
  if (!response.ok) throw new Error(`the server answered ${response.status}: ${await response.text()}`);
  const answers = (await response.json()) as { label: string; score: number }[][];
  for (const [index, answer] of answers.entries()) {
    console.log(`  ${QUESTIONS[index]}\n    ${answer.map(({ label, score }) => `${label} ${percent(score)}`).join(', ')}`);
  }
  server.kill('SIGTERM');
  await once(server, 'exit');
}

/** Standard error is shown; standard output is shown or read. */
function ulmfit(args: readonly string[], output: 'inherit' | 'pipe'): ChildProcess {
  return spawn(process.execPath, [ULMFIT, ...args], { stdio: ['ignore', output, 'inherit'] });
}

function heading(title: string, args: readonly string[] = []): void {
  console.log(`\n${styleText('bold', title)}`);
  if (args.length > 0) console.log(styleText('dim', `$ ulmfit ${args.map(asTyped).join(' ')}`));
}

function asTyped(argument: string): string {
  if (argument.startsWith('/')) return relative(process.cwd(), argument);
  return argument.includes(' ') ? `"${argument}"` : argument;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
