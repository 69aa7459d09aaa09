/** The upload of a version, its test where it will run, and the traffic's way to it. Needs an account. */
import type { SmokeTestResult } from './smokeTest.ts';
import { errorCodeOf, reasonOf, type Wrangler, type WranglerEntry, type WranglerRun } from './wrangler.ts';
import { UserError } from '../../text/errors.ts';

/** The platform's error for a Worker that is not there. */
const NO_SUCH_WORKER = 10007;

/** A request that names a version is answered by it, whatever share of the traffic it has. */
const OVERRIDE_HEADER = 'Cloudflare-Workers-Version-Overrides';

/** A version and its share of the traffic, in percent. */
export interface VersionShare {
  readonly version: string;
  readonly percentage: number;
}

export interface ReleaseOptions {
  readonly name: string;
  readonly config: string;
  readonly secretsFile: string | undefined;
  /** For people who look at the list of versions. */
  readonly message: string;
  /** Where the Worker is reached, for one that has no preview. */
  readonly url: string | undefined;
  readonly log: (line: string) => void;
  /** Tests the version that answers at an address. Rejects when it must not go on. */
  readonly test: (url: string, headers: Readonly<Record<string, string>>, version: string) => Promise<SmokeTestResult>;
}

/** What was released. */
export interface Released {
  readonly version: string;
  readonly url: string | undefined;
  readonly result: SmokeTestResult;
  /** Before it; none when this was the first. */
  readonly previous: readonly VersionShare[];
}

/**
 * Uploads code and model as one version, tests it, and gives it all traffic. One that fails its test gets none.
 *
 * The test goes to the version's preview. A Worker with Durable Objects has none: there the version is deployed with no share of the
 * traffic, and asked for by name. Only a first version, and one that begins to use Durable Objects, cannot be uploaded without being deployed:
 * it is tested afterwards, and rolled back where that fails.
 */
export async function release(wrangler: Wrangler, options: ReleaseOptions): Promise<Released> {
  const { name, config, message, log } = options;
  const previous = await currentShares(wrangler, name);
  if (previous.length === 0) {
    log(`${name} is new: it is deployed at once.`);
    return releaseAtOnce(wrangler, options, previous);
  }
  const upload = await wrangler.run(['versions', 'upload', '--config', config, '--message', message, ...secretsOf(options)]);
  if (upload.code !== 0) {
    if (!/pending Durable Object migration/.test(reasonOf(upload))) throw uploadError(upload);
    log('The version is the first with sessions: it is deployed at once.');
    return releaseAtOnce(wrangler, options, previous);
  }
  const entry = entryOf(upload, 'version-upload');
  const version = textOf(entry, 'version_id');
  const preview = typeof entry['preview_url'] === 'string' ? entry['preview_url'] : undefined;
  log(`uploaded version ${version}`);
  const result =
    preview === undefined ? await testWithoutTraffic(wrangler, options, version, previous) : await options.test(preview, {}, version);
  await deployShares(wrangler, name, [{ version, percentage: 100 }], message);
  return { version, url: options.url ?? addressOf(preview, name), result, previous };
}

/**
 * The versions that have traffic now.
 *
 * @returns none where there is no such Worker
 */
export async function currentShares(wrangler: Wrangler, name: string): Promise<VersionShare[]> {
  const run = await wrangler.run(['deployments', 'status', '--name', name, '--json']);
  if (run.code !== 0) {
    if (errorCodeOf(run) === NO_SUCH_WORKER || /has no deployments|does not exist/.test(reasonOf(run))) return [];
    throw new Error(`wrangler could not tell what is deployed: ${reasonOf(run)}`);
  }
  return sharesOf(JSON.parse(run.stdout));
}

/** Gives versions their shares of the traffic. */
export async function deployShares(wrangler: Wrangler, name: string, shares: readonly VersionShare[], message: string): Promise<void> {
  const specs = shares.map(({ version, percentage }) => `${version}@${percentage}%`);
  await wrangler.must('shift the traffic', ['versions', 'deploy', ...specs, '--name', name, '--message', message, '--yes']);
}

/** What wrangler tells of a deployment. */
export function sharesOf(deployment: unknown): VersionShare[] {
  const { versions } = deployment as { readonly versions?: readonly { readonly version_id: string; readonly percentage: number }[] };
  return (versions ?? []).map(({ version_id, percentage }) => ({ version: version_id, percentage }));
}

async function releaseAtOnce(wrangler: Wrangler, options: ReleaseOptions, previous: readonly VersionShare[]): Promise<Released> {
  const { name, config, message, log } = options;
  const deployed = await wrangler.run(['deploy', '--config', config, '--message', message, ...secretsOf(options)]);
  if (deployed.code !== 0) throw uploadError(deployed);
  const entry = entryOf(deployed, 'deploy');
  const version = textOf(entry, 'version_id');
  const targets = Array.isArray(entry['targets']) ? (entry['targets'] as readonly unknown[]) : [];
  const url = options.url ?? targets.find((target): target is string => typeof target === 'string' && target.startsWith('https://'));
  log(`deployed version ${version}`);
  if (url === undefined)
    throw new UserError(`Version ${version} is deployed, but its address is not known: it was not tested. Give it with --url.`);
  try {
    return { version, url, result: await options.test(url, {}, version), previous };
  } catch (error) {
    if (previous.length === 0) throw error;
    await deployShares(wrangler, name, previous, 'rolled back: the version failed its test');
    log('The traffic is back where it was.');
    throw error;
  }
}

async function testWithoutTraffic(
  wrangler: Wrangler,
  { name, url, message, log, test }: ReleaseOptions,
  version: string,
  previous: readonly VersionShare[],
): Promise<SmokeTestResult> {
  if (url === undefined) {
    throw new UserError(
      `Version ${version} is uploaded and has no traffic. A Worker with sessions has no preview to test it at: give the Worker's own address with --url.`,
    );
  }
  await deployShares(wrangler, name, [...previous, { version, percentage: 0 }], message);
  try {
    return await test(url, { [OVERRIDE_HEADER]: `${name}="${version}"` }, version);
  } catch (error) {
    await deployShares(wrangler, name, previous, 'the new version failed its test');
    log('The new version got no traffic.');
    throw error;
  }
}

const secretsOf = ({ secretsFile }: ReleaseOptions): string[] => (secretsFile === undefined ? [] : ['--secrets-file', secretsFile]);

const uploadError = (run: WranglerRun) => new Error(`wrangler could not upload the Worker: ${reasonOf(run)}`);

function entryOf(run: WranglerRun, type: string): WranglerEntry {
  const entry = run.entries.findLast((one) => one.type === type);
  if (entry === undefined) throw new Error(`wrangler did not report what it did (${type}). Use the wrangler that this program comes with.`);
  return entry;
}

function textOf(entry: WranglerEntry, key: string): string {
  const value = entry[key];
  if (typeof value !== 'string') throw new Error(`wrangler did not report ${key}. Use the wrangler that this program comes with.`);
  return value;
}

/** A preview is at `<version>-<name>.<account>.workers.dev`, the Worker itself at `<name>.<account>.workers.dev`. */
function addressOf(preview: string | undefined, name: string): string | undefined {
  if (preview === undefined) return undefined;
  const { hostname } = new URL(preview);
  const start = hostname.indexOf(`${name}.`);
  return start < 0 ? undefined : `https://${hostname.slice(start)}`;
}
