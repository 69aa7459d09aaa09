/** Back to the version before. Needs an account. */
import { UserError } from '../../text/errors.ts';
import { currentShares, deployShares, sharesOf } from './release.ts';
import { checkWorkerName } from './workerConfig.ts';
import { Wrangler } from './wrangler.ts';

export interface RollbackOptions {
  /** The version that shall answer; the one before unless told. */
  readonly to?: string | undefined;
  readonly wrangler?: Wrangler | undefined;
}

/** What came of it. */
export interface RolledBack {
  readonly name: string;
  readonly version: string;
  /** That answered until now. */
  readonly previous: readonly string[];
}

/**
 * Gives all traffic to an earlier version: code and model go back together. The later version stays, and can be gone back to.
 *
 * @throws UserError where wrangler is missing or not logged in, or there is no Worker or no version to go back to
 */
export async function rollback(name: string, { to, wrangler = Wrangler.find() }: RollbackOptions = {}): Promise<RolledBack> {
  checkWorkerName(name);
  await wrangler.requireLogin();
  const current = (await currentShares(wrangler, name)).map(({ version }) => version);
  if (current.length === 0)
    throw new UserError(`There is no Worker ${name} in the account, or nothing was deployed. --name says which one.`);
  const version = to ?? (await versionBefore(wrangler, name, current));
  await deployShares(wrangler, name, [{ version, percentage: 100 }], 'rolled back');
  return { name, version, previous: current };
}

/** The last version that had all traffic and has none now. */
async function versionBefore(wrangler: Wrangler, name: string, current: readonly string[]): Promise<string> {
  const { stdout } = await wrangler.must('list what was deployed', ['deployments', 'list', '--name', name, '--json']);
  const deployments = (JSON.parse(stdout) as readonly { readonly created_on: string }[]).toSorted((one, other) =>
    one.created_on < other.created_on ? 1 : -1,
  );
  for (const deployment of deployments) {
    const whole = sharesOf(deployment).find(({ percentage }) => percentage === 100);
    if (whole !== undefined && !current.includes(whole.version)) return whole.version;
  }
  throw new UserError(
    `No version of ${name} had all traffic before this one. Name one with --to; \`npx wrangler versions list --name ${name}\` lists them.`,
  );
}
