import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { readEvents } from '../report/runEvents.ts';
import { RunFolder, type MetricsLine } from './runFolder.ts';

const stepLine = (step: number, epoch: number): MetricsLine => ({ step, epoch, loss: 1 / step, learningRate: 0.1, tokens: 8 * step });
const measured = (step: number, epoch: number): MetricsLine => ({ step, epoch, validationLoss: 2 / step });

/** Two epochs of four steps, recorded at every second one. */
const LINES = [stepLine(2, 1), stepLine(4, 1), measured(4, 1), stepLine(6, 2), stepLine(8, 2), measured(8, 2)];

describe('RunFolder', () => {
  it('makes the folder and writes down every decision', async () => {
    const run = new RunFolder(join(await temporaryFolder(), 'runs', 'first'));
    await run.begin({ command: 'train', epochs: 3 });
    expect(JSON.parse(await readFile(join(run.path, 'config.json'), 'utf8'))).toEqual({ command: 'train', epochs: 3 });
    expect(run.checkpoints).toBe(join(run.path, 'checkpoints'));
    expect(new RunFolder('run', 'elsewhere').checkpoints).toBe('elsewhere');
  });

  it.each([
    ['in the middle of an epoch', 2, 0, 1],
    ['after an epoch, before it was measured', 4, 0, 2],
    ['after an epoch was measured', 4, 1, 3],
    ['in a later epoch', 7, 1, 4],
    ['after the last epoch, before it was measured', 8, 1, 5],
    ['at the end', 8, 2, 6],
    ['at the beginning', 0, 0, 0],
  ])('takes back what a resumed run will record again: %s', async (_where, step, epochs, kept) => {
    const run = new RunFolder(await temporaryFolder());
    for (const line of LINES) await run.record(line);
    await run.rewind(step, epochs);
    const text = await readFile(join(run.path, 'metrics.jsonl'), 'utf8');
    expect(text).toBe(
      LINES.slice(0, kept)
        .map((line) => `${JSON.stringify(line)}\n`)
        .join(''),
    );
  });

  it('takes back a line that a kill cut short', async () => {
    const run = new RunFolder(await temporaryFolder());
    await run.record(stepLine(2, 1));
    await appendFile(join(run.path, 'metrics.jsonl'), '{"step":4,"epo');
    await run.rewind(9, 1);
    await run.record(stepLine(4, 1));
    expect(await readFile(join(run.path, 'metrics.jsonl'), 'utf8')).toBe(
      `${JSON.stringify(stepLine(2, 1))}\n${JSON.stringify(stepLine(4, 1))}\n`,
    );
  });

  it('tells TensorBoard the same, and when it happened', async () => {
    let time = 1000;
    const run = new RunFolder(await temporaryFolder(), undefined, () => (time += 1000));
    await run.rewind(0, 0);
    for (const line of LINES) await run.record(line);
    const events = await readEvents(run.path);
    expect(events.map(({ step, wallTime }) => [step, wallTime])).toEqual([[0, 2], ...LINES.map(({ step }, index) => [step, 3 + index])]);
    expect(events[3]?.scalars).toEqual({ epoch: 1, validationLoss: 0.5 });
    expect(Object.keys(events[1]?.scalars ?? {})).toEqual(['epoch', 'loss', 'learningRate', 'tokens']);
  });

  it.each([
    ['by the process that stopped', false],
    ['by another one, after a kill in the middle of a line', true],
  ])('shows no step twice to TensorBoard where the run goes on: %s', async (_how, killed) => {
    const folder = await temporaryFolder();
    let time = 0;
    const now = () => (time += 1000);
    const run = new RunFolder(folder, undefined, now);
    await run.rewind(0, 0);
    for (const line of LINES.slice(0, 5)) await run.record(line);
    const [before = ''] = (await readdir(folder)).filter((name) => name.startsWith('events'));
    if (killed) {
      const bytes = await readFile(join(folder, before));
      await writeFile(join(folder, before), bytes.subarray(0, bytes.length - 5));
      await appendFile(join(folder, 'metrics.jsonl'), '{"step":');
    }
    const resumed = killed ? new RunFolder(folder, undefined, now) : run;
    await resumed.rewind(4, 1);
    for (const line of LINES.slice(3)) await resumed.record(line);

    expect((await readdir(folder)).filter((name) => name.startsWith('events'))).toHaveLength(1);
    const events = (await readEvents(folder)).filter(({ scalars }) => scalars !== undefined);
    expect(events.map(({ step }) => step)).toEqual(LINES.map(({ step }) => step));
    const times = events.map(({ wallTime }) => wallTime);
    expect(times.slice(0, 3)).toEqual([2, 3, 4]);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(await readFile(join(folder, 'metrics.jsonl'), 'utf8')).toBe(LINES.map((line) => `${JSON.stringify(line)}\n`).join(''));
  });

  it('takes up a run of an earlier version, which has no events', async () => {
    const run = new RunFolder(await temporaryFolder({ 'metrics.jsonl': `${JSON.stringify(LINES[0])}\n` }));
    await run.record(stepLine(4, 1));
    const events = await readEvents(run.path);
    expect(events.flatMap(({ step, scalars }) => (scalars ? [step] : []))).toEqual([2, 4]);
  });

  it('forgets how the run did at an earlier end', async () => {
    const run = new RunFolder(await temporaryFolder({ 'evaluation.json': '{}' }));
    await run.begin({});
    expect(await readdir(run.path)).toEqual(['config.json']);
  });
});
