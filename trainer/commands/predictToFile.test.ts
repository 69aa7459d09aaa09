import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { storedModel, tinyClassifier, writeTinyBundle } from '../../test/fixtures/tinyClassifier.ts';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { UserError } from '../../text/errors.ts';
import { writeModel } from '../checkpoint/modelFolder.ts';
import { createProgram } from '../cli.ts';
import { AnswerFile } from './answerFile.ts';

const SIZES = { embedding: 12, hidden: 16, layers: 2 };
const WORDS = 'the film was good but story boring funny best actor love hate you i they watch more time worst plot great'.split(' ');
/** Several blocks of documents, of 1 to 60 words. */
const TEXTS = Array.from({ length: 1300 }, (_, document) =>
  Array.from({ length: 1 + ((document * 37) % 60) }, (__, word) => WORDS[(document * 7 + word * word) % WORDS.length]).join(' '),
);
const LINES = TEXTS.map((text) => `${JSON.stringify({ text })}\n`);
/** Documents in a block. */
const BLOCK = 256;
const BIN = join(import.meta.dirname, '..', 'bin.mjs');

/** Runs the command in this process; what it says. */
async function run(...args: string[]): Promise<string> {
  let said = '';
  using _notes = vi.spyOn(console, 'error').mockImplementation((note: unknown) => void (said += `${String(note)}\n`));
  using _progress = vi.spyOn(process.stderr, 'write').mockImplementation((text) => (said += String(text)) !== '');
  await createProgram().parseAsync(['predict', ...args], { from: 'user' });
  return said;
}

/** Starts the command in a process of its own, which reads standard input and cannot find the training engine. */
function start(...args: string[]): { child: ChildProcess; ended: Promise<unknown[]>; said: () => string } {
  const child = spawn(process.execPath, [BIN, 'predict', ...args], { env: { ...process.env, ULMFIT_CACHE: join(folder, 'no-engine') } });
  let said = '';
  child.stdin.on('error', () => {}); // it may end before it has read everything
  child.stderr.on('data', (piece: Buffer) => (said += piece.toString()));
  return { child, ended: once(child, 'close'), said: () => said };
}

const linesIn = async (path: string) => (await readFile(path, 'utf8').catch(() => '')).split('\n').length - 1;

let folder: string;
let bundle: string;
let data: string;
/** What an unbroken run writes. */
let whole: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-predict-'));
  bundle = join(folder, 'bundle');
  data = join(folder, 'data.jsonl');
  await writeTinyBundle(bundle, { ...SIZES, seed: 8 });
  await writeFile(data, LINES.join(''));
  await run(bundle, '--file', data, '--out', join(folder, 'whole.jsonl'));
  whole = await readFile(join(folder, 'whole.jsonl'), 'utf8');
});

afterAll(() => rm(folder, { recursive: true }));

describe('ulmfit predict --out', () => {
  it('writes an answer a line, of a bundle as of the model that it was made of', async () => {
    const model = join(folder, 'model');
    await writeModel(model, storedModel(tinyClassifier({ ...SIZES, seed: 8 })), { card: '' });
    const out = join(await temporaryFolder(), 'answers.jsonl');
    expect(await run(model, '--file', data, '--out', out)).toContain(`Written to ${out}: the answers to 1300 documents.`);
    type Line = { label: string; score: number; scores: Record<string, number> };
    const parse = (text: string) =>
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Line);
    const ofModel = parse(await readFile(out, 'utf8'));
    const ofBundle = parse(whole);
    expect(ofBundle).toHaveLength(TEXTS.length);
    expect(new Set(ofBundle.map(({ label }) => label)).size).toBeGreaterThan(1);
    for (const [index, { label, score, scores }] of ofBundle.entries()) {
      expect(label).toBe(ofModel[index]?.label);
      expect(score).toBeCloseTo(ofModel[index]?.score ?? Number.NaN, 4);
      for (const [name, value] of Object.entries(scores)) expect(value).toBeCloseTo(ofModel[index]?.scores[name] ?? Number.NaN, 4);
    }
    expect(await readdir(join(out, '..'))).toEqual(['answers.jsonl']);
  });

  it('goes on after Ctrl-C, needs no training engine for a bundle, and ends with the same file', async () => {
    const out = join(await temporaryFolder(), 'answers.jsonl');
    const { child, ended, said } = start(bundle, '--file', '-', '--out', out);
    child.stdin?.write(LINES.slice(0, BLOCK).join(''));
    await expect.poll(() => linesIn(`${out}.part`), { timeout: 30_000 }).toBe(BLOCK);
    child.kill('SIGINT');
    await expect.poll(said, { timeout: 30_000 }).toContain('Stopping after this block of documents');
    child.stdin?.write(LINES.slice(BLOCK).join(''));
    child.stdin?.end();
    expect(await ended).toEqual([1, null]);
    expect(said()).toContain('Stopped after 256 documents. Run the same command with --resume to go on.');
    await appendFile(`${out}.part`, '{"label":"posi'); // what a crash in the middle of a line leaves

    expect(await run(bundle, '--file', data, '--out', out, '--resume')).toContain('Going on after 256 documents.');
    expect(await readFile(out, 'utf8')).toBe(whole);
    expect(await readdir(join(out, '..'))).toEqual(['answers.jsonl']);
    expect(await run(bundle, '--file', data, '--out', out, '--resume')).toContain('is whole');
  });

  it('goes on after it was killed', async () => {
    const out = join(await temporaryFolder(), 'answers.jsonl');
    const { child, ended } = start(bundle, '--file', '-', '--out', out);
    child.stdin?.write(LINES.slice(0, BLOCK + 10).join(''));
    await expect.poll(() => linesIn(`${out}.part`), { timeout: 30_000 }).toBe(BLOCK);
    child.kill('SIGKILL');
    await ended;
    await run(bundle, '--file', data, '--out', out, '--resume');
    expect(await readFile(out, 'utf8')).toBe(whole);
  });

  it('of a pair gives the same file, however often it is interrupted', async () => {
    const pair = join(folder, 'pair');
    await writeTinyBundle(pair, { ...SIZES, backward: { hidden: 20, chunkLength: 50 } });
    const out = join(await temporaryFolder(), 'answers.jsonl');
    await run(pair, '--file', data, '--out', out);
    const unbroken = await readFile(out, 'utf8');
    const again = `${out}.again`;
    const broken = join(folder, 'broken.jsonl');
    for (const documents of [BLOCK + 1, 2 * BLOCK + 1]) {
      await writeFile(broken, [...LINES.slice(0, documents), 'no JSON\n'].join(''));
      await expect(run(pair, '--file', broken, '--out', again, '--resume')).rejects.toThrow(`broken.jsonl:${documents + 1}`);
    }
    expect(await run(pair, '--file', data, '--out', again, '--resume')).toContain(`Going on after ${2 * BLOCK} documents.`);
    expect(await readFile(again, 'utf8')).toBe(unbroken);
  });

  it('keeps what is answered when a document cannot be read, and goes on once it can', async () => {
    const out = join(await temporaryFolder(), 'answers.jsonl');
    const broken = join(folder, 'data-with-a-mistake.jsonl');
    await writeFile(broken, LINES.with(500, '{"text": 7}\n').join(''));
    await expect(run(bundle, '--file', broken, '--out', out)).rejects.toThrow('data-with-a-mistake.jsonl:501');
    expect(await linesIn(`${out}.part`)).toBe(BLOCK);
    await expect(run(bundle, '--file', data, '--out', out)).rejects.toThrow(
      /holds the answers of an interrupted run\. Go on with it with --resume/,
    );
    await run(bundle, '--file', data, '--out', out, '--resume');
    expect(await readFile(out, 'utf8')).toBe(whole);
  });

  it('refuses to go on with other data, another model or other options, and leaves what is there', async () => {
    const out = join(await temporaryFolder(), 'answers.jsonl');
    const begun = await AnswerFile.open(out, { settings: 'x', resume: false });
    await begun?.append([['a']], ['{}']);
    await begun?.interrupt();
    const resume = (from: string) => run(from, '--file', data, '--out', out, '--resume');
    await expect(resume(bundle)).rejects.toThrow(/was begun with another model or other options/);
    await writeFile(`${out}.part.json`, '{');
    await expect(resume(bundle)).rejects.toThrow(UserError);
    expect(await readFile(`${out}.part`, 'utf8')).toBe('{}\n');

    await rm(`${out}.part.json`);
    const shorter = join(folder, 'shorter.jsonl');
    await writeFile(shorter, [...LINES.slice(0, BLOCK), 'no JSON\n'].join(''));
    await expect(run(bundle, '--file', shorter, '--out', out)).rejects.toThrow('shorter.jsonl:257');
    await writeFile(shorter, LINES.with(3, '{"text": "another one"}\n').join(''));
    await expect(run(bundle, '--file', shorter, '--out', out, '--resume')).rejects.toThrow('The first 256 documents are not those');
    await writeFile(shorter, LINES[0] ?? '');
    await expect(run(bundle, '--file', shorter, '--out', out, '--resume')).rejects.toThrow('The data has 1 documents, but');
    await expect(run(bundle, '--file', data, '--out', out, '--resume', '--top-k', '1')).rejects.toThrow('other options');
    await resume(bundle);
    expect(await readFile(out, 'utf8')).toBe(whole);
    await expect(run(bundle, '--file', data, '--out', out)).rejects.toThrow('is there already');
  });

  it('refuses a place that cannot be written before it reads anything', async () => {
    const base = await temporaryFolder();
    await expect(run(bundle, 'good', '--out', join(base, 'nowhere', 'a.jsonl'))).rejects.toThrow('its folder does not exist');
    await expect(run(bundle, 'good', '--resume')).rejects.toThrow('Name it with --out');
    expect(await readdir(base)).toEqual([]);
  });
});
