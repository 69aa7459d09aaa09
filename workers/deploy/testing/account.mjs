#!/usr/bin/env node
/**
 * wrangler with an account that is a file, for what cannot be tried without a real one: uploads, deployments, secrets, buckets and queues.
 * It refuses what wrangler refuses. Everything that needs no account is left to the real wrangler.
 *
 * ACCOUNT names the file; REAL_WRANGLER the script of the real one. The Worker that is uploaded really runs, on loopback, at the file's `url`.
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';

const args = process.argv.slice(2);
const { ACCOUNT = '', REAL_WRANGLER = '', WRANGLER_OUTPUT_FILE_PATH: reports } = process.env;
const account = JSON.parse(readFileSync(ACCOUNT, 'utf8'));
const value = (flag) => args[args.indexOf(flag) + 1];
const has = (flag) => args.includes(flag);
const save = () => writeFileSync(ACCOUNT, JSON.stringify(account));
const report = (entry) => reports && appendFileSync(reports, `${JSON.stringify({ version: 1, ...entry })}\n`);
const fail = (message, code) => {
  report({ type: 'command-failed', message, ...(code && { code }) });
  console.error(`✘ [ERROR] ${message}`);
  process.exit(1);
};
const is = (...words) => words.every((word, index) => args[index] === word);

if (is('dev') || is('check', 'startup') || (is('deploy') && has('--dry-run'))) {
  const { status } = spawnSync(process.execPath, [REAL_WRANGLER, ...args], { stdio: 'inherit' });
  process.exit(status ?? 1);
}
account.calls.push(args);
save();
if (is('whoami')) {
  console.log(JSON.stringify({ loggedIn: account.loggedIn }));
  process.exit(account.loggedIn ? 0 : 1);
}
if (!account.loggedIn) fail('You are not logged in.');

const nextVersion = () => `00000000-0000-4000-8000-${String((account.uploads += 1)).padStart(12, '0')}`;
const deployed = () => account.deployments.at(-1)?.versions ?? [];
const deployVersions = (versions) =>
  account.deployments.push({ created_on: new Date(Date.UTC(2026, 0, 1, 0, 0, account.deployments.length)).toISOString(), versions });
const upload = () => {
  const config = JSON.parse(readFileSync(value('--config'), 'utf8'));
  if (has('--secrets-file')) Object.assign(account.secrets, JSON.parse(readFileSync(value('--secrets-file'), 'utf8')));
  const version = nextVersion();
  account.versions[version] = { name: config.name, hasObjects: config.durable_objects !== undefined };
  account.hasObjects ||= config.durable_objects !== undefined;
  return { config, version };
};

if (is('deployments', 'status')) {
  if (account.deployments.length === 0) fail('This Worker does not exist on your account. [code: 10007]', 10007);
  console.log(JSON.stringify(account.deployments.at(-1)));
} else if (is('deployments', 'list')) {
  console.log(JSON.stringify(account.deployments));
} else if (is('secret', 'list')) {
  if (account.deployments.length === 0) fail('Worker not found', 10007);
  console.log(JSON.stringify(Object.keys(account.secrets).map((name) => ({ name, type: 'secret_text' }))));
} else if (is('versions', 'upload')) {
  if (account.deployments.length === 0) fail('You need to deploy first.', 10007);
  const pending = !account.hasObjects && JSON.parse(readFileSync(value('--config'), 'utf8')).migrations !== undefined;
  if (pending) fail('This Worker has a pending Durable Object migration, which cannot be applied by `wrangler versions upload`.');
  const { version, config } = upload();
  save();
  report({
    type: 'version-upload',
    worker_name: config.name,
    version_id: version,
    ...(!account.hasObjects && { preview_url: account.url }),
  });
} else if (is('versions', 'deploy')) {
  const versions = args.slice(2, args.indexOf('--name')).map((spec) => {
    const [version_id, percentage] = spec.split('@');
    if (account.versions[version_id] === undefined) fail(`There is no version ${version_id}.`);
    return { version_id, percentage: Number(percentage.replace('%', '')) };
  });
  if (!has('--yes')) fail('wrangler would ask, and nobody is there to answer.');
  if (versions.reduce((sum, { percentage }) => sum + percentage, 0) !== 100) fail('The shares do not sum to 100 %.');
  deployVersions(versions);
  save();
  report({ type: 'version-deploy' });
} else if (is('deploy')) {
  const { version, config } = upload();
  deployVersions([{ version_id: version, percentage: 100 }]);
  save();
  report({ type: 'deploy', worker_name: config.name, version_id: version, targets: [account.url] });
} else if (is('r2', 'bucket', 'info') || is('queues', 'info')) {
  if (!account.resources.includes(`${args[0]} ${args.at(-1)}`)) fail('It does not exist.');
} else if (is('r2', 'bucket', 'create') || is('queues', 'create')) {
  if (account.resources.includes(`${args[0]} ${args.at(-1)}`)) fail('It exists already.');
  account.resources.push(`${args[0]} ${args.at(-1)}`);
  save();
} else if (!is('r2', 'bucket', 'lifecycle', 'add')) {
  fail(`Unknown command: ${args.join(' ')}; deployed are ${deployed().length} versions.`);
}
