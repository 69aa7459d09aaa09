/** Several models and versions over HTTP, exchanged while requests run. */
import { cp, mkdir, mkdtemp, rm, symlink, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { writeTinyBundle, type TinyClassifier } from '../../test/fixtures/tinyClassifier.ts';
import { UserError } from '../../text/errors.ts';
import type { LabelScore } from '../schema.ts';
import { addKey } from './keysFile.ts';
import { type RunningServer, startServer } from './server.ts';
import { article, ask, errorIn, isAnswerOf, POLL, SIZES } from './testSupport.ts';

let folder: string;
/** By version: three of the model "reviews". */
const reviews: TinyClassifier[] = [];
let topics: TinyClassifier;
let admin: string;
let predict: string;
const running: RunningServer[] = [];

const at = (...names: string[]) => join(folder, ...names);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-models-'));
  for (const version of [1, 2, 3]) {
    const options = { ...SIZES, seed: 8 + version, name: 'reviews', version: String(version) };
    reviews.push((await writeTinyBundle(at('root', `reviews-${version}`), options)).model);
  }
  topics = (await writeTinyBundle(at('topics'), { ...SIZES, seed: 30, name: 'topics', classes: 4 })).model;
  await cp(at('root', 'reviews-2'), at('root', 'damaged'), { recursive: true });
  await truncate(at('root', 'damaged', 'forward.onnx'), 100);
  await symlink(at('topics'), at('root', 'outside'));
  ({ key: admin } = await addKey(at('keys.json'), { scope: 'admin' }));
  ({ key: predict } = await addKey(at('keys.json'), { scope: 'predict' }));
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
});

afterAll(() => rm(folder, { recursive: true }));

async function start(): Promise<RunningServer> {
  const server = await startServer([{ folder: at('root', 'reviews-1') }, { folder: at('topics') }], {
    port: 0,
    threads: 1,
    keysFile: at('keys.json'),
    modelsRoot: at('root'),
    logLevel: 'silent',
  });
  running.push(server);
  return server;
}

const add = (server: RunningServer, name: string, body: unknown, key = admin) =>
  ask(server.url, body, { path: `/v1/models/${name}/versions`, key });
const rollBack = (server: RunningServer, name: string, key = admin) => ask(server.url, '', { path: `/v1/models/${name}/rollback`, key });
const classify = (server: RunningServer, text: string, path?: string) =>
  ask(server.url, { inputs: text }, { key: predict, ...(path !== undefined && { path }) });
const scoresOf = async (response: Response) => {
  expect(response.status).toBe(200);
  return (await response.json()) as LabelScore[];
};
const version = (number: number): TinyClassifier => {
  const model = reviews[number - 1];
  if (model === undefined) throw new RangeError(`There is no version ${number}.`);
  return model;
};

describe('several models', () => {
  it('answer each under its name, and the first one requests without a name', async () => {
    const server = await start();
    const text = 'The film was not good.';
    expect(isAnswerOf(version(1), text, await scoresOf(await classify(server, text)))).toBe(true);
    expect(isAnswerOf(version(1), text, await scoresOf(await classify(server, text, '/v1/models/reviews/classify')))).toBe(true);
    expect(isAnswerOf(topics, text, await scoresOf(await classify(server, text, '/v1/models/topics/classify')))).toBe(true);
    expect(isAnswerOf(topics, text, await scoresOf(await classify(server, text, '/v1/models/topics/versions/1/classify')))).toBe(true);
    for (const path of ['/v1/models/nothing/classify', '/v1/models/topics/versions/9/classify']) {
      expect(await errorIn(await classify(server, text, path))).toMatchObject({ status: 404, code: 'model_not_found' });
    }
  });

  it('are listed with their versions', async () => {
    const server = await start();
    const get = async (path: string) => (await fetch(server.url + path, { headers: { authorization: `Bearer ${predict}` } })).json();
    expect(await get('/v1/models')).toMatchObject({
      default: 'reviews',
      models: [
        { name: 'reviews', version: '1', versions: ['1'] },
        { name: 'topics', version: '1', versions: ['1'] },
      ],
    });
    expect(await get('/v1/models/topics')).toMatchObject({ name: 'topics', task: 'singleLabel', labels: topics.config.labels });
    expect(await get('/v1/models/topics/versions/1')).toMatchObject({ name: 'topics', version: '1' });
    expect(await get('/v1/models/nothing')).toMatchObject({ error: { code: 'model_not_found' } });
  });

  it('need names of their own', async () => {
    const twice = [{ folder: at('topics') }, { folder: at('topics') }];
    await expect(startServer(twice, { port: 0 })).rejects.toThrow(UserError);
    const renamed = await startServer([{ folder: at('topics') }, { folder: at('topics'), name: 'other' }], { port: 0, threads: 1 });
    running.push(renamed);
    expect(renamed.models.list().map(({ name }) => name)).toEqual(['topics', 'other']);
    await expect(startServer([], { port: 0 })).rejects.toThrow('Name a bundle to serve.');
  });
});

describe('a new version', () => {
  it('takes over without dropping a request, and what is in flight ends on the version it began with', async () => {
    const server = await start();
    const long = article(20_000);
    const begun = server.classifier;
    const longAnswer = classify(server, long).then(scoresOf);
    await expect.poll(() => begun.inFlight, POLL).toBe(1);
    let goOn = true;
    const seen = new Set<number>();
    const clients = Array.from({ length: 4 }, async (_, client) => {
      for (let turn = 0; goOn; turn++) {
        const text = article(5 + (turn % 40), client * 100 + turn);
        const scores = await scoresOf(await classify(server, text));
        const by = [1, 2].filter((number) => isAnswerOf(version(number), text, scores));
        expect(by).toHaveLength(1);
        seen.add(by[0] ?? 0);
      }
    });
    const answer = await add(server, 'reviews', { folder: 'reviews-2' });
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({ name: 'reviews', version: '2', versions: ['2', '1'] });
    expect(isAnswerOf(version(2), long, await scoresOf(await classify(server, long)))).toBe(true);
    goOn = false;
    await Promise.all(clients);
    expect([...seen].toSorted((a, b) => a - b)).toEqual([1, 2]);
    expect(isAnswerOf(version(1), long, await longAnswer)).toBe(true);
  });

  it('can be taken back, and put forward again; the version before the last is given up', async () => {
    const server = await start();
    const changes: string[] = [];
    const unsubscribe = server.models.subscribe(({ name, current, previous }) =>
      changes.push(`${name} ${current.version} after ${previous?.version}`),
    );
    const text = 'the best plot';
    const answers = async (number: number, path?: string) =>
      isAnswerOf(version(number), text, await scoresOf(await classify(server, text, path)));
    expect(await errorIn(await rollBack(server, 'reviews'))).toMatchObject({ status: 409, code: 'version_conflict' });
    await add(server, 'reviews', { folder: 'reviews-2' });
    expect(await answers(2)).toBe(true);
    expect(await answers(1, '/v1/models/reviews/versions/1/classify')).toBe(true);
    expect(await (await rollBack(server, 'reviews')).json()).toMatchObject({ version: '1', versions: ['1', '2'] });
    expect(await answers(1)).toBe(true);
    await rollBack(server, 'reviews');
    expect(await answers(2)).toBe(true);
    await add(server, 'reviews', { folder: 'reviews-3' });
    expect(await answers(3)).toBe(true);
    expect(server.models.find('reviews', '1')).toBeUndefined();
    expect((await classify(server, text, '/v1/models/reviews/versions/1/classify')).status).toBe(404);
    expect(changes).toEqual(['reviews 2 after 1', 'reviews 1 after 2', 'reviews 2 after 1', 'reviews 3 after 2']);
    unsubscribe();
  });

  it('leaves memory only after a request that had chosen it', async () => {
    const server = await start();
    const first = server.classifier;
    const release = first.hold();
    await add(server, 'reviews', { folder: 'reviews-2' });
    await add(server, 'reviews', { folder: 'reviews-3' });
    const [logits] = await first.classify(['still here']);
    expect(logits?.[0]?.length).toBe(version(1).config.labels.length);
    release();
  });

  it.each<[string, unknown, number, string]>([
    ['one that is served already', { folder: 'reviews-1' }, 409, 'version_conflict'],
    ['a damaged bundle', { folder: 'damaged' }, 422, 'invalid_bundle'],
    ['no folder', { folder: 'nothing' }, 422, 'invalid_bundle'],
    ['the root itself', { folder: '.' }, 422, 'invalid_bundle'],
    ['a folder outside the root', { folder: '../topics' }, 422, 'invalid_bundle'],
    ['a link that leads outside', { folder: 'outside' }, 422, 'invalid_bundle'],
    ['a wrong type', { folder: 3 }, 422, 'invalid_request'],
    ['another entry', { folder: 'reviews-2', force: true }, 422, 'invalid_request'],
    ['broken JSON', '{"folder": ', 400, 'malformed_body'],
  ])('is refused: %s', async (_what, body, status, code) => {
    const server = await start();
    expect(await errorIn(await add(server, 'reviews', body))).toMatchObject({ status, code });
    expect(server.models.find()?.version).toBe('1');
  });

  it('needs an admin key, a model that is served, and a server with a folder of models', async () => {
    const server = await start();
    expect(await errorIn(await add(server, 'reviews', { folder: 'reviews-2' }, predict))).toMatchObject({ status: 403, code: 'forbidden' });
    expect(await errorIn(await rollBack(server, 'reviews', predict))).toMatchObject({ status: 403 });
    expect(await errorIn(await add(server, 'nothing', { folder: 'reviews-2' }))).toMatchObject({ status: 404, code: 'model_not_found' });
    const open = await startServer(at('topics'), { port: 0, threads: 1 });
    running.push(open);
    const refused = await ask(open.url, { folder: 'x' }, { path: '/v1/models/topics/versions' });
    expect(await errorIn(refused)).toMatchObject({ status: 403, message: expect.stringContaining('ulmfit keys add') });
    const rootless = await startServer(at('topics'), { port: 0, threads: 1, keysFile: at('keys.json') });
    running.push(rootless);
    expect(await errorIn(await add(rootless, 'topics', { folder: 'reviews-2' }))).toMatchObject({
      status: 403,
      message: expect.stringContaining('--models-root'),
    });
  });
});

describe('reload', () => {
  it('takes over a bundle that was written anew in its folder, and keeps the model where it cannot be read', async () => {
    await mkdir(at('live'));
    await cp(at('root', 'reviews-1'), at('live', 'reviews'), { recursive: true });
    const lines: string[] = [];
    const server = await startServer(at('live', 'reviews'), {
      port: 0,
      threads: 1,
      logLevel: 'info',
      logTo: { write: (line) => lines.push(line) },
    });
    running.push(server);
    await server.reload();
    expect(server.models.list()[0]?.previous).toBeUndefined();
    await rm(at('live', 'reviews'), { recursive: true });
    await server.reload();
    expect(server.models.find()?.version).toBe('1');
    expect(lines.join('')).toContain('a model was not read anew');
    await cp(at('root', 'reviews-2'), at('live', 'reviews'), { recursive: true });
    await server.reload();
    expect(isAnswerOf(version(2), 'good', await scoresOf(await ask(server.url, { inputs: 'good' })))).toBe(true);
    expect(lines.join('')).toContain('"model":"reviews","version":"2","msg":"model changed"');
  });
});
