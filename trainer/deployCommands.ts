import { type Command, Option } from '@commander-js/extra-typings';

import { examples } from './commands/help.ts';
import * as options from './commands/options.ts';
import { positiveInteger } from './commands/values.ts';

/** The commands that bring bundles to the edge, and work with what runs there. */
export function addDeployCommands(program: Command): void {
  program
    .command('deploy')
    .description('Deploy a bundle as a Cloudflare Worker: checked, tested here, uploaded with its code as one version, tested there.')
    .argument('<bundle>', 'folder written by ulmfit export, or the name of a classifier that came with ulmfit')
    .addOption(new Option('--dry-run', 'everything but the upload, on this machine: needs neither an account nor a network'))
    .addOption(new Option('--name <worker>', "the Worker's name, part of its address (default: the bundle's)"))
    .addOption(new Option('--int8', 'weights in 8 bits, on a kernel of our own: smaller and faster'))
    .addOption(new Option('--downloadable', 'let whoever may ask also have the model, to run it in a browser or elsewhere'))
    .addOption(new Option('--sessions', 'take documents that arrive in pieces (Durable Objects)'))
    .addOption(new Option('--jobs', 'take bulk jobs (R2 and Queues, made where they are missing)'))
    .addOption(
      new Option('--keys <file>', 'keys, without one of which nobody may ask; see ulmfit keys (default: as before; at first none)'),
    )
    .addOption(
      new Option('--rate <requests>', 'requests a minute of each key, or address without keys (default: any)').argParser(positiveInteger),
    )
    .addOption(new Option('--url <address>', 'where the Worker is reached; needed with --sessions, to test it before it has traffic'))
    .addOption(options.json('every check'))
    .addHelpText(
      'after',
      examples([
        ['ulmfit deploy bundles/reviews --dry-run', 'what would happen'],
        ['ulmfit deploy bundles/reviews --int8 --keys keys.json --rate 600', 'for those with a key'],
        ['ulmfit deploy bundles/reviews --sessions --jobs --url https://reviews.example.workers.dev', 'with all it can do'],
      ]),
    )
    .action(async (bundle, given) => (await import('./commands/deploy.ts')).deployBundle(bundle, given));

  program
    .command('rollback')
    .description('Let the version before answer again, code and model together.')
    .requiredOption('--name <worker>', "the Worker's name")
    .addOption(new Option('--to <version>', 'id of the version (default: the last one that had all traffic before)'))
    .addOption(options.json('what was done'))
    .addHelpText('after', examples([['ulmfit rollback --name reviews', 'undoes the last deployment']]))
    .action(async (given) => (await import('./commands/deploy.ts')).rollBack(given));

  const jobs = program
    .command('jobs')
    .description('Have any number of documents classified by a Worker that was deployed with --jobs.')
    .helpCommand(false)
    .addHelpText(
      'after',
      examples([['ulmfit jobs submit reviews.jsonl --url https://reviews.example.workers.dev', 'prints the job’s id']]),
    );

  jobs
    .command('submit')
    .description('Send documents as a job, and print its id.')
    .argument('<data>', 'a file, a folder, or standard input (-)')
    .addOption(options.text())
    .addOption(url())
    .addOption(key())
    .addOption(new Option('--wait', 'come back when the job is done'))
    .addOption(options.json('the job'))
    .addHelpText('after', examples([['ulmfit jobs submit reviews.csv --text body --url https://reviews.example.workers.dev', 'a column']]))
    .action(async (data, given) => (await import('./commands/jobs.ts')).submitJob(data, given));

  jobs
    .command('status')
    .description('Say how far a job is, and what was given up.')
    .argument('<job>', 'its id')
    .addOption(url())
    .addOption(key())
    .addOption(options.json('the job'))
    .addHelpText('after', examples([['ulmfit jobs status 0f8e… --url https://reviews.example.workers.dev', 'lines that are done']]))
    .action(async (id, given) => (await import('./commands/jobs.ts')).showJob(id, given));

  jobs
    .command('retry')
    .description('Try again what was given up.')
    .argument('<job>', 'its id')
    .addOption(url())
    .addOption(key())
    .addOption(options.json('the job'))
    .addHelpText('after', examples([['ulmfit jobs retry 0f8e… --url https://reviews.example.workers.dev', 'after the cause is gone']]))
    .action(async (id, given) => (await import('./commands/jobs.ts')).retryJob(id, given));

  jobs
    .command('fetch')
    .description('Fetch the answers of a job, a line each, in the order of the documents.')
    .argument('<job>', 'its id')
    .addOption(url())
    .addOption(key())
    .addOption(new Option('--out <file>', 'write them there (default: standard output)'))
    .addHelpText('after', examples([['ulmfit jobs fetch 0f8e… --url https://reviews.example.workers.dev --out labels.jsonl', 'a file']]))
    .action(async (id, given) => (await import('./commands/jobs.ts')).fetchJob(id, given));

  for (const command of jobs.commands) {
    command.showHelpAfterError(`Run "ulmfit jobs ${command.name()} --help" for its options and examples.`);
  }
}

const url = () => new Option('--url <address>', "the Worker's address").makeOptionMandatory();

const key = () => new Option('--key <key>', 'a key that the Worker knows').env('ULMFIT_API_KEY');
