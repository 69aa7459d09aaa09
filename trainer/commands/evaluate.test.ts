import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';

import { generatedDocuments, generatedReviews, jsonLines } from '../../test/fixtures/generatedText.ts';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { createProgram } from '../cli.ts';

/** What a command prints. Words that begin with `@` are files of the folder. */
async function run(folder: string, line: string): Promise<string> {
  let printed = '';
  using _out = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  using _progress = vi.spyOn(console, 'error').mockImplementation(() => {});
  const words = line.split(' ').map((word) => (word.startsWith('@') ? join(folder, word.slice(1)) : word));
  await createProgram().parseAsync(words, { from: 'user' });
  return printed;
}

const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;

describe('what a run leaves to look at', () => {
  it('from pretraining to a calibrated classifier', { timeout: 120_000 }, async () => {
    const folder = await temporaryFolder({
      'corpus.jsonl': jsonLines(generatedDocuments(30, 10, 1)),
      'reviews.jsonl': jsonLines(generatedReviews(40, 2)),
      'test.jsonl': jsonLines(generatedReviews(24, 3)),
    });
    await run(
      folder,
      'pretrain @corpus.jsonl --out @lm --embedding 8 --hidden 12 --layers 2 --vocab 100 --batch 8 --bptt 16 --epochs 1 --json',
    );
    await run(
      folder,
      'train @reviews.jsonl --from @lm --out @classifier --epochs 4 --batch 4 --learning-rate 0.03 --unfreezing full --json',
    );

    // Made anew, the report is where it says.
    await writeFile(join(folder, 'classifier/report.html'), '');
    expect(await run(folder, 'report @classifier')).toBe(`${join(folder, 'classifier/report.html')}\n`);
    expect(await readFile(join(folder, 'classifier/report.html'), 'utf8')).toContain('<h1>Training: classifier</h1>');
    expect(json(await run(folder, 'report @lm --json'))).toEqual({ reports: [join(folder, 'lm/report.html')] });

    const figures = json(await run(folder, 'evaluate @classifier @test.jsonl --json --report @page.html'));
    expect(figures).toMatchObject({ n: 24, labels: { neg: { n: 12 }, pos: { n: 12 } } });
    const page = await readFile(join(folder, 'page.html'), 'utf8');
    expect(page).toContain('<h1>Evaluation: classifier</h1>');
    expect(page.replaceAll(/\s+</g, '<')).toContain(`<dt>accuracy</dt><dd>${(100 * Number(figures['accuracy'])).toFixed(1)} %</dd>`);

    const printed = await run(folder, 'calibrate @classifier @test.jsonl');
    expect(printed).toMatch(/^temperature {2}\d+\.\d{4}, was 1\.0000 {2}\(.*classifier, 24 documents\)\n/);
    const calibrated = json(await run(folder, 'evaluate @classifier @test.jsonl --json'));
    expect(calibrated['accuracy']).toBe(figures['accuracy']);
    expect(calibrated['loss']).toBeLessThan(Number(figures['loss']));
    const again = json(await run(folder, 'calibrate @classifier @test.jsonl --json'));
    expect(again['before']).toEqual(again['after']);
  });
});
