import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
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
});
