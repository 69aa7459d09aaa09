/** A run that is interrupted and killed must end as if nothing had happened: the same figures, the same weights, bit by bit. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { beforeAll, describe, expect, it } from 'vitest';

import { generatedDocuments, generatedReviews, jsonLines } from './fixtures/generatedText.ts';
import { ulmfit } from './cli/commandLine.ts';

const BIN = fileURLToPath(new URL('../trainer/bin.mjs', import.meta.url));

/** The last step of which there is a complete checkpoint; 0 before the first one. */
function lastCheckpoint(out: string): number {
  try {
    const names = readdirSync(join(out, 'checkpoints')).filter((name) => name.startsWith('step-'));
    const complete = names.filter((name) => readdirSync(join(out, 'checkpoints', name)).includes('complete'));
    return Math.max(0, ...complete.map((name) => Number(name.slice('step-'.length))));
  } catch {
    return 0; // Not there yet, or just being removed.
  }
}

/** Starts `ulmfit`, and stops it by a signal once there is a checkpoint of the step. */
async function stopAt(args: readonly string[], out: string, step: number, signal: NodeJS.Signals) {
  const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  await expect.poll(() => child.exitCode !== null || lastCheckpoint(out) >= step, { interval: 2, timeout: 50_000 }).toBe(true);
  child.kill(signal);
  const [code, endedBy] = await closed;
  return { code, endedBy, stderr };
}

/** Everything a run leaves behind that must not depend on interruptions. */
async function leftBy(out: string) {
  const text = (name: string) => readFile(join(out, name), 'utf8');
  const { created, ...description } = JSON.parse(await text('model.json')) as Record<string, unknown>;
  expect(created).toBeTypeOf('string');
  return {
    files: (await readdir(out)).map((name) => name.replace(/tfevents\.\d+/, 'tfevents')).toSorted(), // named by the time
    checkpoints: await readdir(join(out, 'checkpoints')),
    metrics: (await text('metrics.jsonl')).split('\n'),
    description,
    vocabulary: await text('vocabulary.json'),
    config: await text('config.json'),
    weights: (await readFile(join(out, 'model.safetensors'))).toString('base64'),
  };
}

async function finish(args: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await ulmfit([...args, '--json']);
  expect(code, stderr).toBe(0);
  const { out, ...figures } = JSON.parse(stdout) as Record<string, unknown>;
  expect(out).toBeTypeOf('string');
  return figures;
}

// A checkpoint after every step, however fast: which ones are kept must not depend on the time.
const PRETRAINING =
  '--embedding 8 --hidden 12 --layers 2 --vocab 100 --batch 8 --bptt 16 --epochs 2 --drop-mult 1 --checkpoint-minutes 0.000001'.split(' ');
const TRAINING = '--text title --text body --epochs 6 --batch 4 --bptt 16 --bptt-window 16 --drop-mult 1'.split(' ');

describe('a run that was stopped goes on as if it had not been', () => {
  let folder: string;
  const languageModel = () => join(folder, 'unbroken-lm');

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ulmfit-test-'));
    await writeFile(join(folder, 'corpus.jsonl'), jsonLines(generatedDocuments(60, 12, 1)));
    const reviews = generatedReviews(44, 2).map(({ text, label }, index) => ({ title: `Review ${index}`, body: text, label }));
    await writeFile(join(folder, 'reviews.jsonl'), jsonLines(reviews));
    return () => rm(folder, { recursive: true });
  });

  it('pretraining: Ctrl-C, then two kills', { timeout: 180_000 }, async () => {
    const command = (out: string) => ['pretrain', join(folder, 'corpus.jsonl'), '--out', out, ...PRETRAINING];
    const figures = await finish(command(languageModel()));
    const unbroken = await leftBy(languageModel());
    const total = Number(figures['steps']);
    expect(total).toBeGreaterThan(60);

    const out = join(folder, 'broken-lm');
    const interrupted = await stopAt(command(out), out, 10, 'SIGINT');
    expect(interrupted).toMatchObject({ code: 1, endedBy: null });
    const [, step] =
      /Stopped at step (\d+); a checkpoint is saved\. Run the same command with --resume to go on\.\n$/.exec(interrupted.stderr) ?? [];
    expect(Number(step)).toBeGreaterThanOrEqual(10);
    expect(lastCheckpoint(out)).toBe(Number(step));

    for (const share of [0.4, 0.7]) {
      const killed = await stopAt([...command(out), '--resume'], out, Math.floor(share * total), 'SIGKILL');
      expect(killed, 'it ended before it could be killed').toMatchObject({ code: null, endedBy: 'SIGKILL' });
      expect(killed.stderr).toMatch(/resumed at step \d+ of/);
    }
    expect(await readdir(out)).not.toContain('model.json');
    expect(await finish([...command(out), '--resume'])).toEqual(figures);
    expect(await leftBy(out)).toEqual(unbroken);
  });

  it('training a classifier: a kill', { timeout: 180_000 }, async () => {
    const command = (out: string) => ['train', join(folder, 'reviews.jsonl'), '--from', languageModel(), '--out', out, ...TRAINING];
    const whole = join(folder, 'unbroken-classifier');
    const figures = await finish(command(whole));
    const unbroken = await leftBy(whole);

    const out = join(folder, 'broken-classifier');
    const killed = await stopAt(command(out), out, 1, 'SIGKILL');
    expect(killed, 'it ended before it could be killed').toMatchObject({ code: null, endedBy: 'SIGKILL' });
    expect(await finish([...command(out), '--resume'])).toEqual(figures);
    expect(await leftBy(out)).toEqual(unbroken);
  });
});
