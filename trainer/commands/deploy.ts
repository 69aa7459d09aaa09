import type { DeployOptions } from '../../workers/deploy/deploy.ts';
import { printJson } from '../report/results.ts';
import { locateBundle } from '../shippedModels.ts';

/** What the command line can set. */
export interface DeployFlags extends Omit<DeployOptions, 'log' | 'wrangler'> {
  readonly json?: boolean | undefined;
}

/**
 * `ulmfit deploy`: a bundle, or a classifier that came with this program, becomes a Worker. Every check is told on stderr as it passes; with `--json` all of them on stdout.
 *
 * @throws UserError, Error as `deploy` of workers/deploy/deploy.ts
 */
export async function deployBundle(bundle: string, { json, ...options }: DeployFlags): Promise<void> {
  const { deploy } = await import('../../workers/deploy/deploy.ts');
  const report = await deploy(await locateBundle(bundle), { ...options, log: (line) => console.error(line) });
  if (json) return printJson(report);
  const { released, name } = report;
  if (released === undefined) {
    console.error('Nothing was uploaded: this was a dry run. Every check passed.');
    return;
  }
  console.error(`Version ${released.version} of ${name} has all traffic. \`ulmfit rollback --name ${name}\` goes back.`);
  if (released.url !== undefined) console.log(released.url);
}

/**
 * `ulmfit rollback`: the version before answers again.
 *
 * @throws UserError, Error as `rollback` of workers/deploy/rollback.ts
 */
export async function rollBack({ name, to, json }: { name: string; to?: string | undefined; json?: boolean | undefined }): Promise<void> {
  const { rollback } = await import('../../workers/deploy/rollback.ts');
  const done = await rollback(name, { to });
  if (json) return printJson(done);
  console.error(`Version ${done.version} of ${name} has all traffic again.`);
}
