import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { createProgram } from '../cli.ts';
import { decisions } from '../api/run.ts';
import { chosen } from './config.ts';

/** What `train` was told, on the command line and by its configuration. */
async function told(config: string | object, line = ''): Promise<Record<string, unknown>> {
  const folder = await temporaryFolder({ 'run.json': typeof config === 'string' ? config : JSON.stringify(config) });
  const program = createProgram();
  let seen: Record<string, unknown> = {};
  const train = program.commands.find((command) => command.name() === 'train');
  train?.action((...given: unknown[]) => {
    seen = chosen(given.at(-1) as Parameters<typeof chosen>[0]);
  });
  const words = `train data.csv --out m --config ${join(folder, 'run.json')} ${line}`.trim().split(' ');
  await program.parseAsync(words, { from: 'user' });
  return decisions(seen) as Record<string, unknown>;
}

describe('--config', () => {
  beforeEach(() => {
    vi.stubEnv('ULMFIT_DEVICE', undefined);
    return () => vi.unstubAllEnvs();
  });

  it('gives options as if they stood on the command line', async () => {
    expect(await told({ from: 'lm', epochs: 3, learningRate: 0.02, text: ['title', 'body'], discriminative: false })).toEqual({
      from: 'lm',
      epochs: 3,
      learningRate: 0.02,
      text: ['title', 'body'],
      discriminative: false,
    });
  });

  it('comes after what does stand there', async () => {
    expect(await told({ from: 'lm', epochs: 3, seed: 1 }, '--seed 2')).toEqual({ from: 'lm', epochs: 3, seed: 2 });
    expect(await told({ from: 'lm', seed: 1 }, '--from-scratch')).toEqual({ fromScratch: true, seed: 1 });
    expect(await told({ from: 'lm', task: 'multiLabel' }, '--regression')).toEqual({ from: 'lm', regression: true });
  });

  it('takes the config.json of a run, whatever else it tells', async () => {
    const config = {
      command: 'train',
      data: 'other.csv',
      from: 'lm',
      epochs: 3,
      task: 'regression',
      range: [1, 5],
      labelNames: ['a', 'b'],
      device: 'gpu',
      precision: 'bf16',
    };
    expect(await told(config)).toEqual({ from: 'lm', epochs: 3, regression: true, bounds: [1, 5], precision: 'bf16' });
  });

  it.each<[string | object, RegExp]>([
    [{ from: 'lm', epoch: 3 }, /"epoch" is no option of ulmfit train/],
    [{ from: 'lm', epochs: 0 }, /"epochs": 0 is invalid\. It must be a whole number of at least 1\./],
    [{ from: 'lm', unfreezing: 'slowly' }, /"unfreezing": "slowly" is invalid\. Allowed choices are gradual, /],
    [{ fromScratch: 'yes' }, /"fromScratch" must be true or false\./],
    [{ command: 'finetune' }, /is the configuration of ulmfit finetune, not of ulmfit train\./],
    ['{"epochs": 3', /is not valid JSON/],
    ['[1]', /must hold a JSON object of options/],
  ])('refuses %j', async (config, message) => {
    await expect(told(config)).rejects.toThrow(message);
  });

  it('refuses a file that is not there', async () => {
    const program = createProgram();
    const missing = program.parseAsync('train d --from lm --out m --config nowhere.json'.split(' '), { from: 'user' });
    await expect(missing).rejects.toThrow('nowhere.json cannot be read.');
  });

  it("a run's own file repeats it", async () => {
    // What the library writes can be read back: every decision is an option of the command line.
    const text = await readFile(new URL('../api/train.ts', import.meta.url), 'utf8');
    const names = [...text.matchAll(/^ {2}readonly (\w+)\?:/gm)].map(([, name = '']) => name);
    const options = createProgram()
      .commands.find((command) => command.name() === 'train')
      ?.options.map((option) => option.attributeName());
    expect(names.length).toBeGreaterThan(15);
    for (const name of names) expect([...(options ?? []), 'task', 'range', 'fromScratch'], name).toContain(name);
  });
});
