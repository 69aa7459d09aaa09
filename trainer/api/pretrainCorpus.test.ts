/** What becomes of a run's tokens when its text changes, goes away, or is not wanted any more. */
import { rmSync } from 'node:fs';
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { generatedDocuments, jsonLines } from '../../test/fixtures/generatedText.ts';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { UserError } from '../../text/errors.ts';
import { readModel } from '../checkpoint/modelFolder.ts';
import { pretrain, type PretrainOptions } from './pretrain.ts';

const TINY = { embedding: 8, hidden: 12, layers: 2, vocab: 100, minCount: 1, batch: 4, bptt: 16, epochs: 1 };

async function corpusFolder(): Promise<{ folder: string; corpus: string; out: string }> {
  const folder = await temporaryFolder({ 'corpus.jsonl': jsonLines(generatedDocuments(30, 10, 1)) });
  return { folder, corpus: join(folder, 'corpus.jsonl'), out: join(folder, 'run') };
}

/** Trains up to a step; gives the notes. */
async function trainUpTo(step: number, corpus: string, options: PretrainOptions): Promise<{ notes: string[]; interrupted: boolean }> {
  const stop = new AbortController();
  const notes: string[] = [];
  const onStep = (report: { step: number }): void => void (report.step >= step && stop.abort());
  const { interrupted } = await pretrain(corpus, { ...TINY, ...options, signal: stop.signal, onStep, onNote: (note) => notes.push(note) });
  return { notes, interrupted };
}

const END = Number.POSITIVE_INFINITY;
const weightsOf = async (out: string) => (await readModel(out)).tensors.get('embedding.weight')?.data;
const timesOf = async (out: string) => (await stat(join(out, 'corpus', 'corpus.json'))).mtimeMs;

describe('a run that goes on', () => {
  const changes: readonly (readonly [string, (corpus: string) => Promise<void>])[] = [
    ['is gone', (corpus) => rm(corpus)],
    ['has changed', (corpus) => writeFile(corpus, jsonLines(generatedDocuments(50, 12, 9)))],
  ];

  it.each(changes)('has the tokens that it began with where its text %s', async (_, change) => {
    const { corpus, out } = await corpusFolder();
    const whole = `${out}-whole`;
    await trainUpTo(END, corpus, { out: whole });
    expect(await trainUpTo(5, corpus, { out })).toMatchObject({ interrupted: true });
    await change(corpus);
    const { notes, interrupted } = await trainUpTo(END, corpus, { out, resume: true });
    expect(interrupted).toBe(false);
    expect(notes).toContain(
      `${corpus} has changed or is gone since this run began, which goes on with the tokens in ${join(out, 'corpus')}`,
    );
    expect(await weightsOf(out)).toEqual(await weightsOf(whole));
  });

  it('cannot without its tokens', async () => {
    const { corpus, out } = await corpusFolder();
    await trainUpTo(5, corpus, { out });
    await rename(corpus, `${corpus}.away`);
    await rm(join(out, 'corpus'), { recursive: true });
    await expect(trainUpTo(END, corpus, { out, resume: true })).rejects.toThrow(UserError);
    await rename(`${corpus}.away`, corpus);
    expect(await trainUpTo(END, corpus, { out, resume: true })).toMatchObject({ interrupted: false });
  });

  it('tells nothing where the text is as it was, and tokenizes nothing', async () => {
    const { corpus, out } = await corpusFolder();
    await trainUpTo(5, corpus, { out });
    const made = await timesOf(out);
    const { notes } = await trainUpTo(END, corpus, { out, resume: true });
    expect(notes.join('\n')).not.toContain('changed');
    expect(await timesOf(out)).toBe(made);
  });
});

describe('a run that begins', () => {
  it('takes tokens that are there already, but not those of a text that has changed', async () => {
    const { corpus, out } = await corpusFolder();
    await trainUpTo(1, corpus, { out });
    const made = await timesOf(out);
    await rm(join(out, 'checkpoints'), { recursive: true });
    await trainUpTo(1, corpus, { out });
    expect(await timesOf(out)).toBe(made);
    await rm(join(out, 'checkpoints'), { recursive: true });
    await writeFile(corpus, jsonLines(generatedDocuments(50, 12, 9)));
    await trainUpTo(1, corpus, { out, resume: true }); // which finds nothing to go on with
    expect(await timesOf(out)).not.toBe(made);
    expect(JSON.parse(await readFile(join(out, 'corpus', 'corpus.json'), 'utf8'))).toMatchObject({ documents: 50 });
  });

  it('leaves nothing where it is stopped before its text is tokenized', async () => {
    const { folder, corpus, out } = await corpusFolder();
    const stop = new AbortController();
    stop.abort();
    const result = await pretrain(corpus, { ...TINY, out, signal: stop.signal });
    expect(result).toMatchObject({ interrupted: true, members: [{ steps: 0, tokens: 0 }] });
    expect(await readdir(folder)).toEqual(['corpus.jsonl']);
  });
});

describe('both directions', () => {
  it('have the same tokens, whatever happens to the text between them', async () => {
    const { corpus, out } = await corpusFolder();
    let changed = false;
    const onNote = (note: string): void => {
      if (note !== 'backward model') return;
      changed = true;
      rmSync(corpus);
    };
    await pretrain(corpus, { ...TINY, out, direction: 'both', onNote });
    expect(changed).toBe(true);
    const [forward, backward] = await Promise.all(['forward', 'backward'].map((name) => readModel(join(out, name))));
    expect(backward?.vocabulary.tokens).toEqual(forward?.vocabulary.tokens);
  });

  it('go on with them where the second was not begun', async () => {
    const { corpus, out } = await corpusFolder();
    const stop = new AbortController();
    const onNote = (note: string): void => void (note === 'backward model' && stop.abort());
    const first = await pretrain(corpus, { ...TINY, out, direction: 'both', onNote, signal: stop.signal });
    expect(first).toMatchObject({ interrupted: true });
    await rm(corpus);
    const second = await pretrain(corpus, { ...TINY, out, direction: 'both', resume: true });
    expect(second).toMatchObject({ interrupted: false });
    expect((await readModel(join(out, 'backward'))).description.direction).toBe('backward');
  });
});

describe('a run that begins with the weights of another model', () => {
  const first = async () => {
    const { folder, corpus, out } = await corpusFolder();
    await trainUpTo(END, corpus, { out });
    return { corpus, first: out, out: join(folder, 'further') };
  };

  it('begins where that one ended', async () => {
    const { corpus, first: from, out } = await first();
    // No step worth the name: what is written is what it began with.
    await pretrain(corpus, { batch: 4, bptt: 16, minCount: 1, from, out, maxSteps: 1, learningRate: 1e-30, weightDecay: 0 });
    const [before, after] = [await readModel(from), await readModel(out)];
    expect(after.description.sizes).toEqual(before.description.sizes);
    expect(after.vocabulary.tokens).toEqual(before.vocabulary.tokens);
    // The rows that only fill the vocabulary up to a multiple of 8 are no words.
    const words = before.vocabulary.tokens.filter((token) => token !== 'xxfake').length;
    for (const [name, { data, shape }] of before.tensors) {
      const size = shape[0] === before.vocabulary.size ? (data.length / shape[0]) * words : data.length;
      expect(after.tensors.get(name)?.data.slice(0, size), name).toEqual(data.slice(0, size));
    }
    const decisions = JSON.parse(await readFile(join(out, 'config.json'), 'utf8')) as object;
    expect(decisions).toMatchObject({ embedding: 8, hidden: 12, layers: 2 });
    expect(decisions).not.toHaveProperty('preset');
    // The card says what that model was, and does not repeat it.
    const card = await readFile(join(out, 'README.md'), 'utf8');
    expect(card).toContain(`"from": {\n    "created": "${before.description.created}"`);
    expect(card.length).toBeLessThan(3000);
  });

  it('takes its direction', async () => {
    const { corpus, out } = await corpusFolder();
    await trainUpTo(END, corpus, { out, direction: 'backward' });
    await trainUpTo(END, corpus, { from: out, out: `${out}-further`, embedding: undefined, hidden: undefined, layers: undefined });
    expect((await readModel(`${out}-further`)).description.direction).toBe('backward');
    await expect(trainUpTo(END, corpus, { from: out, out: `${out}-other`, direction: 'forward' })).rejects.toThrow(
      'holds a backward language model, not a forward one',
    );
  });

  it('refuses other sizes, and a folder without a model', async () => {
    const { corpus, first: from, out } = await first();
    await expect(trainUpTo(END, corpus, { from, out, hidden: 24 })).rejects.toThrow(`${from} has hidden 12, not 24. Leave out --hidden`);
    await expect(trainUpTo(END, corpus, { from: `${from}-none`, out })).rejects.toThrow(UserError);
  });
});
