import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { UserError } from '../../text/errors.ts';
import { hasCheckpoint, latestCheckpoint, saveCheckpoint, type Checkpoint } from './checkpoint.ts';

interface Progress {
  readonly step: number;
}

/** A checkpoint in which every number is the step. */
const checkpointOf = (step: number): Checkpoint<Progress> => ({
  tensors: new Map([['weights', { shape: [2, 3], data: new Float32Array(6).fill(step) }]]),
  progress: { step },
});

async function save(folder: string, ...steps: number[]): Promise<void> {
  for (const step of steps) await saveCheckpoint(folder, step, checkpointOf(step));
}

const stepFolder = (folder: string, step: number) => join(folder, `step-${String(step).padStart(9, '0')}`);

describe('checkpoints', () => {
  it('come back as they were saved', async () => {
    const folder = join(await temporaryFolder(), 'checkpoints');
    expect(await latestCheckpoint(folder)).toBeUndefined();
    expect(await hasCheckpoint(folder)).toBe(false);
    await save(folder, 7);
    expect(await hasCheckpoint(folder)).toBe(true);
    expect(await latestCheckpoint<Progress>(folder)).toEqual(checkpointOf(7));
  });

  it('go by their step, and all but the newest two are removed', async () => {
    const folder = await temporaryFolder();
    await save(folder, 9, 10, 100, 1000);
    expect(await readdir(folder)).toEqual(['step-000000100', 'step-000001000']);
    expect((await latestCheckpoint<Progress>(folder))?.progress.step).toBe(1000);
  });

  it('replace one of the same step', async () => {
    const folder = await temporaryFolder();
    await save(folder, 5);
    await saveCheckpoint(folder, 5, checkpointOf(6));
    expect(await latestCheckpoint<Progress>(folder)).toEqual(checkpointOf(6));
  });

  it('that were not finished are passed over, and cleared away by the next one', async () => {
    const folder = await temporaryFolder();
    await save(folder, 1, 2);
    // Killed before the marker was written, and while the temporary folder was filled.
    await rm(join(stepFolder(folder, 2), 'complete'));
    await mkdir(join(folder, '.step-000000003.77.tmp'));
    await writeFile(join(folder, '.step-000000003.77.tmp', 'tensors.safetensors'), 'half of');
    expect((await latestCheckpoint<Progress>(folder))?.progress.step).toBe(1);
    await save(folder, 4);
    expect(await readdir(folder)).toEqual(['step-000000001', 'step-000000004']);
  });

  it.each([
    ['progress.json', async (path: string) => writeFile(path, (await readFile(path, 'utf8')).slice(0, -3))],
    ['progress.json', (path: string) => rm(path)],
    ['tensors.safetensors', (path: string) => truncate(path, 60)],
    ['tensors.safetensors', (path: string) => rm(path)],
  ])('say what to do where %s is damaged', async (name, damage) => {
    const folder = await temporaryFolder();
    await save(folder, 1, 2);
    await damage(join(stepFolder(folder, 2), name));
    const reading = latestCheckpoint(folder);
    await expect(reading).rejects.toThrow(UserError);
    await expect(reading).rejects.toThrow(join(stepFolder(folder, 2), name));
    await expect(reading).rejects.toThrow(`Remove ${stepFolder(folder, 2)} to resume from the checkpoint before it.`);
    await rm(stepFolder(folder, 2), { recursive: true });
    expect(await latestCheckpoint<Progress>(folder)).toEqual(checkpointOf(1));
  });

  it('have their marker only while they are whole', async () => {
    const folder = await temporaryFolder();
    let saving = true;
    const seen = new Set<string>();
    const watch = async (): Promise<void> => {
      while (saving) {
        for (const name of readdirSync(folder).filter((candidate) => candidate.startsWith('step-'))) {
          const files = filesIn(join(folder, name));
          if (files.includes('complete')) seen.add(files.toSorted().join(' '));
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const watching = watch();
    await save(folder, 1, 1, 2, 3);
    saving = false;
    await watching;
    expect([...seen]).toEqual(['complete progress.json tensors.safetensors']);
  });

  it('survive a kill at any moment', async () => {
    const folder = await temporaryFolder();
    const module = new URL('checkpoint.ts', import.meta.url).href;
    const source = `
      import { saveCheckpoint } from ${JSON.stringify(module)};
      for (let step = Number(process.argv[1]); ; step++) {
        const tensors = new Map([['weights', { shape: [250_000], data: new Float32Array(250_000).fill(step) }]]);
        await saveCheckpoint(${JSON.stringify(folder)}, step, { tensors, progress: { step } });
        process.stdout.write(step + '\\n');
      }`;
    let last = 0;
    for (const wait of [0, 7]) {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', source, String(last + 1)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
      await expect.poll(() => output.split('\n').length, { interval: 1, timeout: 20_000 }).toBeGreaterThan(3);
      await new Promise((resolve) => setTimeout(resolve, wait));
      child.kill('SIGKILL');
      await once(child, 'close');
      const saved = Number(output.trim().split('\n').at(-1));
      const found = await latestCheckpoint<Progress>(folder);
      last = found?.progress.step ?? Number.NaN;
      expect(last).toBeGreaterThanOrEqual(saved);
      expect(new Set(found?.tensors.get('weights')?.data)).toEqual(new Set([last]));
    }
  });
});

/** None where the folder is just being removed. */
function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
