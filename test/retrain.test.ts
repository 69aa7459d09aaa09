/** docs/retrain.md, gone round twice on this machine: retrain, export, deploy, and the new version answers. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { prepareFolder } from '../workers/deploy/buildWorker.ts';
import { startLocalWorker, type LocalWorker } from '../workers/deploy/localWorker.ts';
import { whyNoWorkerd } from '../workers/deploy/testing/workerd.ts';
import { Wrangler } from '../workers/deploy/wrangler.ts';
import { ulmfit } from './cli/commandLine.ts';
import { generatedDocuments, generatedReviews, jsonLines } from './fixtures/generatedText.ts';

const reason = whyNoWorkerd();
if (reason !== undefined) console.warn(`Skipped: ${reason}`);

const TIMEOUT = 400_000;

let folder = '';
let worker: LocalWorker | undefined;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-retrain-'));
  await writeFile(at('corpus.jsonl'), jsonLines(generatedDocuments(40, 10, 1)));
  await writeFile(at('test.jsonl'), jsonLines(generatedReviews(10, 3)));
});

afterAll(async () => {
  await worker?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function run(line: string): Promise<string> {
  const words = line.split(' ').map((word) => (word.startsWith('@') ? at(word.slice(1)) : word));
  const { code, stdout, stderr } = await ulmfit(words);
  expect(code, stderr).toBe(0);
  return stdout;
}

/** What serves at one address, with what it has stored, as an account would keep both. */
async function goLive(bundle: string): Promise<LocalWorker> {
  const port = worker === undefined ? undefined : Number(new URL(worker.url).port);
  await worker?.stop();
  await prepareFolder(at(bundle), { name: 'reviews', sessions: true, jobs: false, int8: false }, at('live'));
  return startLocalWorker(Wrangler.find(), { folder: at('live'), port });
}

const post = async (path: string, body: unknown) => {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(`${worker?.url}${path}`, init);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

describe.skipIf(reason !== undefined)('retrain, export, deploy', () => {
  it('goes round twice, and the new version answers', { timeout: TIMEOUT }, async () => {
    await run('pretrain @corpus.jsonl --out @lm --embedding 8 --hidden 12 --layers 2 --vocab 100 --batch 8 --bptt 16 --epochs 1');
    const answers: unknown[] = [];
    let session = '';
    for (const round of [1, 2]) {
      // More labels each time, as they come in.
      await writeFile(at('labelled.jsonl'), jsonLines(generatedReviews(20 * round, 2)));
      await run(`train @labelled.jsonl --from @lm --out @model-${round} --batch 8 --epochs 1 --seed ${round}`);
      await run(`export @model-${round} --out @bundle-${round} --documents @test.jsonl --name reviews --bundle-version ${round}`);
      const report = JSON.parse(await run(`deploy @bundle-${round} --dry-run --sessions --json`)) as {
        bundle: object;
        local: { largest: number };
      };
      expect(report.bundle).toEqual({ name: 'reviews', version: String(round) });
      expect(report.local.largest).toBeLessThan(1e-4);

      worker = await goLive(`bundle-${round}`);
      const { models } = (await (await fetch(`${worker.url}/v1/models`)).json()) as { models: { version: string }[] };
      expect(models.map(({ version }) => version)).toEqual([String(round)]);
      answers.push((await post('/v1/classify', { inputs: 'a good film' })).body);
      if (round === 1) session = String((await post('/v1/sessions', {})).body['id']);
    }
    expect(answers[1]).not.toEqual(answers[0]);
    // What the first version remembers of a document means nothing to the second one.
    expect(await post(`/v1/sessions/${session}/text`, { text: 'a good film' })).toMatchObject({
      status: 409,
      body: { error: { code: 'model_changed' } },
    });
  });
});
