/** A bundle becomes a Worker: checked, built, measured, tested here, uploaded, tested there, and given the traffic. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

import { differencesOf } from '../../export/answers.ts';
import type { Bundle } from '../../export/bundle.ts';
import { readBundle, readParityDocuments } from '../../export/bundleFolder.ts';
import type { ParityDocument } from '../../export/parityDocuments.ts';
import { MOST_OTHER_LABELS, TOLERANCES } from '../../export/tolerances.ts';
import { UserError } from '../../text/errors.ts';
import { VERSION_HEADER } from '../src/names.ts';
import { configPath, measureBuild, prepareFolder } from './buildWorker.ts';
import { findings, type Finding, requireWithin } from './limits.ts';
import { startLocalWorker } from './localWorker.ts';
import { release, type Released } from './release.ts';
import { requireJobResources } from './resources.ts';
import { keysSecret, newStateSecret, type Secrets, writeLocalSecrets, writeSecretsFile } from './secrets.ts';
import { smokeTest, type SmokeTestResult } from './smokeTest.ts';
import { checkWorkerName, workerNameOf } from './workerConfig.ts';
import { Wrangler } from './wrangler.ts';

export interface DeployOptions {
  /** The Worker's name; the bundle's unless told. */
  readonly name?: string | undefined;
  readonly sessions?: boolean | undefined;
  readonly jobs?: boolean | undefined;
  /** Weights in 8 bits, on the kernel of our own. */
  readonly int8?: boolean | undefined;
  /** Whoever may ask may also have the model. */
  readonly downloadable?: boolean | undefined;
  /** Requests a minute of each key or address. */
  readonly rate?: number | undefined;
  /** A file of keys. Without it the keys stay as they are; there are none before the first. */
  readonly keys?: string | undefined;
  /** Where the Worker is reached. */
  readonly url?: string | undefined;
  /** Everything but the upload. Needs no account and no network. */
  readonly dryRun?: boolean | undefined;
  /** Told of every step. */
  readonly log?: ((line: string) => void) | undefined;
  readonly wrangler?: Wrangler | undefined;
}

/** What came of it. */
export interface DeployReport {
  readonly name: string;
  readonly bundle: { readonly name: string; readonly version: string };
  readonly findings: readonly Finding[];
  /** Of the Worker on this machine. */
  readonly local: SmokeTestResult;
  /** Nothing in a dry run. */
  readonly released?: Released;
}

/** How long a version may take to be reached from here after its upload. */
const ARRIVAL_MILLISECONDS = 60_000;
const ARRIVAL_POLL_MILLISECONDS = 1_000;

/**
 * Deploys a bundle as a Worker, or does all but the upload.
 *
 * @param folder a bundle
 * @throws UserError where the bundle is damaged or too large, wrangler is missing or not logged in, or an option makes no sense; Error where
 *   something failed. Nothing has traffic that did not pass its test, but for a first version.
 * @example
 * const { findings, local } = await deploy('bundles/reviews', { dryRun: true });
 */
export async function deploy(folder: string, options: DeployOptions = {}): Promise<DeployReport> {
  const { log = () => {}, dryRun = false, sessions = false, jobs = false, int8 = false, downloadable = false } = options;
  const content = await readBundle(folder);
  const { bundle } = content;
  const name = options.name ?? workerNameOf(bundle.name);
  checkWorkerName(name);
  requireFigures(bundle);
  const documents = await readParityDocuments(content);
  log(`bundle: ${bundle.name} ${bundle.version}, every checksum right, as exact as ${bundle.precision} must be`);
  const wrangler = options.wrangler ?? Wrangler.find();
  if (!dryRun) await wrangler.requireLogin();

  const work = await mkdtemp(join(tmpdir(), 'ulmfit-deploy-'));
  try {
    const texts = documents.map(({ text }) => text);
    await prepareFolder(folder, { name, sessions, jobs, int8, requestsPerMinute: options.rate }, work, { texts, downloadable });
    const found = findings(await measureBuild(wrangler, work));
    for (const { what, found: value, limit } of found) log(`${what}: ${value} (limit: ${limit})`);
    requireWithin(found);

    const { secrets, headers } = await secretsOf(options);
    const tolerance = Math.max(TOLERANCES[bundle.precision], int8 ? TOLERANCES.int8 : 0);
    const tested = { headers, bundle, documents, tolerance };
    await writeLocalSecrets(work, { ...secrets, STATE_SECRET: newStateSecret() });
    const local = await testLocally(wrangler, work, tested);
    log(`on this machine: ${told(local)}`);
    const report = { name, bundle: { name: bundle.name, version: bundle.version }, findings: found, local };
    if (dryRun) return report;

    if (jobs) await requireJobResources(wrangler, name, log);
    const uploaded = await withStateSecret(wrangler, name, secrets);
    const released = await release(wrangler, {
      name,
      config: configPath(work),
      secretsFile: Object.keys(uploaded).length === 0 ? undefined : await writeSecretsFile(work, uploaded),
      message: `${bundle.name} ${bundle.version}`,
      url: options.url,
      log,
      test: async (url, extra, version) => {
        const all = { ...headers, ...extra };
        await arrival(url, all, version);
        const result = await smokeTest({ ...tested, url, headers: all });
        log(`at ${url}: ${told(result)}`);
        return result;
      },
    });
    return { ...report, released };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** @throws UserError for figures that export would not have let pass. */
function requireFigures({ parity, precision }: Bundle): void {
  const { largest, others } = differencesOf(parity);
  if (largest <= TOLERANCES[precision] && others <= MOST_OTHER_LABELS * parity.documents) return;
  throw new UserError(
    `The bundle's own figures say that it answers otherwise than the trainer: by up to ${largest.toPrecision(2)}, where ${TOLERANCES[precision]} is ` +
      `accepted, with another label for ${others} of ${parity.documents} documents. Export the model again.`,
  );
}

/** The secrets that are new with this deployment, and what its own requests are sent with. */
async function secretsOf({ keys }: DeployOptions): Promise<{ secrets: Secrets; headers: Record<string, string> }> {
  if (keys !== undefined) {
    const { secret, ownKey } = await keysSecret(keys);
    return { secrets: { API_KEYS: secret }, headers: { authorization: `Bearer ${ownKey}` } };
  }
  const key = process.env['ULMFIT_API_KEY'];
  return { secrets: {}, headers: key === undefined || key === '' ? {} : { authorization: `Bearer ${key}` } };
}

/** A secret to sign states with, where the Worker has none: the ones that clients carry stay good from version to version. */
async function withStateSecret(wrangler: Wrangler, name: string, secrets: Secrets): Promise<Secrets> {
  const list = await wrangler.run(['secret', 'list', '--name', name, '--format', 'json']);
  const has = list.code === 0 && /"STATE_SECRET"/.test(list.stdout);
  return has ? secrets : { ...secrets, STATE_SECRET: newStateSecret() };
}

async function testLocally(
  wrangler: Wrangler,
  folder: string,
  tested: { headers: Record<string, string>; bundle: Bundle; documents: readonly ParityDocument[]; tolerance: number },
): Promise<SmokeTestResult> {
  const worker = await startLocalWorker(wrangler, { folder });
  try {
    return await smokeTest({ ...tested, url: worker.url });
  } finally {
    await worker.stop();
  }
}

/** Waits until the version is what answers: news of it take a moment to travel. */
async function arrival(url: string, headers: Readonly<Record<string, string>>, version: string): Promise<void> {
  const deadline = Date.now() + ARRIVAL_MILLISECONDS;
  for (;;) {
    const answered = await fetch(`${url}/health`, { headers, signal: AbortSignal.timeout(ARRIVAL_MILLISECONDS) }).catch(() => undefined);
    if (answered?.headers.get(VERSION_HEADER) === version) return;
    if (Date.now() > deadline) throw new Error(`Version ${version} does not answer at ${url} after ${ARRIVAL_MILLISECONDS / 1000} s.`);
    await wait(ARRIVAL_POLL_MILLISECONDS);
  }
}

const told = ({ figures, largest }: SmokeTestResult): string =>
  `${figures.documents} of ${figures.documents} parity documents answered as the trainer did, to ${largest.toPrecision(2)}`;
