/**
 * What needs an account: in place of the platform there is a wrangler whose account is a file, and a server whose answers say which version
 * gave them. The command lines are the ones that the real wrangler gets.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { release, type ReleaseOptions } from './release.ts';
import { requireJobResources } from './resources.ts';
import { rollback } from './rollback.ts';
import type { SmokeTestResult } from './smokeTest.ts';
import { workerConfig } from './workerConfig.ts';
import { Wrangler } from './wrangler.ts';

const RESULT: SmokeTestResult = { figures: { documents: 1, maxProbabilityDifference: 0, labelDisagreements: 0 }, largest: 0 };
const URL_OF_WORKER = 'https://00000000-reviews.example.workers.dev';

interface Account {
  loggedIn: boolean;
  hasObjects: boolean;
  deployments: { versions: { version_id: string; percentage: number }[] }[];
  secrets: Record<string, string>;
  resources: string[];
  calls: string[][];
}

let folder = '';
let wrangler: Wrangler;
const readAccount = async () => JSON.parse(await readFile(join(folder, 'account.json'), 'utf8')) as Account;
const shares = ({ deployments }: Account) =>
  deployments.map(({ versions }) => versions.map(({ version_id, percentage }) => `${version_id.at(-1)}@${percentage}`).join(' '));

async function writeAccount(change: Partial<Account> = {}): Promise<void> {
  const fresh = {
    loggedIn: true,
    url: URL_OF_WORKER,
    uploads: 0,
    versions: {},
    hasObjects: false,
    deployments: [],
    secrets: {},
    resources: [],
    calls: [],
  };
  await writeFile(join(folder, 'account.json'), JSON.stringify({ ...fresh, ...change }));
}

async function optionsFor(sessions: boolean, change: Partial<ReleaseOptions> = {}): Promise<ReleaseOptions> {
  const config = join(folder, 'wrangler.json');
  await writeFile(config, JSON.stringify(workerConfig({ name: 'reviews', sessions, jobs: false, int8: false }, folder)));
  return {
    name: 'reviews',
    config,
    secretsFile: undefined,
    message: 'reviews 1',
    url: undefined,
    log: () => {},
    test: async () => RESULT,
    ...change,
  };
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-account-'));
  vi.stubEnv('ACCOUNT', join(folder, 'account.json'));
  wrangler = new Wrangler([process.execPath, join(import.meta.dirname, 'testing', 'account.mjs')]);
  await writeAccount();
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

describe('release', () => {
  it('deploys a first version, with its secrets, and later ones over their preview', async () => {
    const secretsFile = join(folder, 'secrets.json');
    await writeFile(secretsFile, JSON.stringify({ API_KEYS: '{}' }));
    expect(await release(wrangler, await optionsFor(false, { secretsFile }))).toMatchObject({ url: URL_OF_WORKER, previous: [] });
    const tested: string[] = [];
    const test: ReleaseOptions['test'] = async (url, headers, version) => {
      // Before the test, the new version has no traffic.
      expect(shares(await readAccount())).toEqual(['1@100']);
      tested.push(`${url} ${JSON.stringify(headers)} ${version.at(-1)}`);
      return RESULT;
    };
    const second = await release(wrangler, await optionsFor(false, { test }));
    expect(second.url).toBe('https://reviews.example.workers.dev');
    expect(second.previous.map(({ percentage }) => percentage)).toEqual([100]);
    expect(tested).toEqual([`${URL_OF_WORKER} {} 2`]);
    const account = await readAccount();
    expect(shares(account)).toEqual(['1@100', '2@100']);
    expect(account.secrets).toEqual({ API_KEYS: '{}' });
  });

  it('gives no traffic to a version that fails its test', async () => {
    await release(wrangler, await optionsFor(false));
    const failing = await optionsFor(false, { test: () => Promise.reject(new Error('other answers')) });
    await expect(release(wrangler, failing)).rejects.toThrow('other answers');
    expect(shares(await readAccount())).toEqual(['1@100']);
  });

  it('tests a version with Durable Objects without traffic, by its name, and takes it away where it fails', async () => {
    const url = 'https://reviews.example.com';
    await release(wrangler, await optionsFor(true, { url }));
    const asked: string[] = [];
    const test: ReleaseOptions['test'] = async (address, headers) => {
      expect(shares(await readAccount()).at(-1)).toBe('1@100 2@0');
      asked.push(`${address} ${headers['Cloudflare-Workers-Version-Overrides']}`);
      throw new Error('other answers');
    };
    await expect(release(wrangler, await optionsFor(true, { url, test }))).rejects.toThrow('other answers');
    expect(asked).toEqual([`${url} reviews="00000000-0000-4000-8000-000000000002"`]);
    expect(shares(await readAccount()).at(-1)).toBe('1@100');
    await release(wrangler, await optionsFor(true, { url }));
    expect(shares(await readAccount()).slice(-2)).toEqual(['1@100 3@0', '3@100']);
    await expect(release(wrangler, await optionsFor(true))).rejects.toThrow('--url');
  });

  it('deploys at once where Durable Objects are new, and goes back where that fails', async () => {
    await release(wrangler, await optionsFor(false));
    const failing = await optionsFor(true, { test: () => Promise.reject(new Error('other answers')) });
    await expect(release(wrangler, failing)).rejects.toThrow('other answers');
    expect(shares(await readAccount())).toEqual(['1@100', '2@100', '1@100']);
  });
});

describe('rollback', () => {
  it('gives all traffic to the last version that had it before, and can be told which', async () => {
    for (let version = 1; version <= 3; version++) await release(wrangler, await optionsFor(false));
    const { version } = await rollback('reviews', { wrangler });
    expect(version.at(-1)).toBe('2');
    await rollback('reviews', { wrangler, to: '00000000-0000-4000-8000-000000000001' });
    expect(shares(await readAccount())).toEqual(['1@100', '2@100', '3@100', '2@100', '1@100']);
    await expect(rollback('reviews', { wrangler, to: 'nothing' })).rejects.toThrow('There is no version nothing');
  });

  it('says what there is not to go back to', async () => {
    await expect(rollback('reviews', { wrangler })).rejects.toThrow('There is no Worker reviews');
    await release(wrangler, await optionsFor(false));
    await expect(rollback('reviews', { wrangler })).rejects.toThrow('No version of reviews had all traffic before');
    await writeAccount({ loggedIn: false });
    await expect(rollback('reviews', { wrangler })).rejects.toThrow('wrangler is not logged in');
  });
});

it('makes the bucket and the queues of jobs once', async () => {
  await requireJobResources(wrangler, 'reviews', () => {});
  await requireJobResources(wrangler, 'reviews', () => {});
  const { resources, calls } = await readAccount();
  expect(resources).toEqual(['r2 reviews-jobs', 'queues reviews-jobs', 'queues reviews-jobs-dead']);
  expect(calls.filter(([, , verb]) => verb === 'lifecycle')).toHaveLength(1);
});
