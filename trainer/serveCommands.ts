import { type Command, Option } from '@commander-js/extra-typings';

import { examples } from './commands/help.ts';
import * as options from './commands/options.ts';
import { collect, port, positiveInteger, positiveNumber } from './commands/values.ts';

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

const ENVIRONMENT_HELP = `
Environment:
  ULMFIT_STATE_SECRET           signs the states that /v1/classify/continue gives
                                to clients, so that every server with the same
                                secret goes on with them; at least 16 characters
                                (default: random, so that they end with the
                                process)`;

/** The commands that serve bundles. */
export function addServeCommands(program: Command): void {
  program
    .command('serve')
    .description('Serve bundles over HTTP on this machine.')
    .argument(
      '[bundle...]',
      'folders written by ulmfit export, or names of classifiers that came with ulmfit, each with another name if need be: name=folder; ' +
        'the first is the default model (default: the only classifier that came with ulmfit)',
    )
    .addOption(new Option('--port <number>', 'TCP port; 0 takes any that is free').default(8080).argParser(port))
    .addOption(new Option('--host <address>', 'address to listen on; 0.0.0.0 is all of them').default('127.0.0.1'))
    .addOption(new Option('--keys <file>', 'keys, without one of which nobody may ask; see ulmfit keys (default: anybody may)'))
    .addOption(new Option('--models-root <folder>', 'folder below which new versions lie that an admin may name over HTTP'))
    .addOption(new Option('--downloadable', 'let whoever may ask also have the models, to run them in a browser or elsewhere'))
    .addOption(new Option('--cors-origin <origin>', 'web site whose scripts may ask; may be repeated (default: none)').argParser(collect))
    .addOption(
      new Option('--rate <requests>', 'requests a minute of each key, or address without keys (default: any)').argParser(positiveInteger),
    )
    .addOption(
      new Option('--max-concurrency <requests>', 'requests at a time; more are refused with 429').default(256).argParser(positiveInteger),
    )
    .addOption(new Option('--max-batch <documents>', 'documents computed at a time').default(16).argParser(positiveInteger))
    .addOption(
      new Option('--max-queue <documents>', 'documents of a model accepted at a time; more are refused with 429')
        .default(256)
        .argParser(positiveInteger),
    )
    .addOption(new Option('--max-body <bytes>', 'largest request').default(8 * 1024 * 1024, '8388608, 8 MiB').argParser(positiveInteger))
    .addOption(new Option('--max-texts <texts>', 'texts in one request').default(128).argParser(positiveInteger))
    .addOption(new Option('--max-text <characters>', 'longest text').default(2_000_000).argParser(positiveInteger))
    .addOption(new Option('--deadline <seconds>', 'how long a request may wait for its answer').default(120).argParser(positiveNumber))
    .addOption(new Option('--drain <seconds>', 'how long SIGTERM waits for what is in flight').default(30).argParser(positiveNumber))
    .addOption(
      new Option('--max-sessions <sessions>', 'documents in pieces that are kept; more are refused with 429')
        .default(1000)
        .argParser(positiveInteger),
    )
    .addOption(
      new Option('--session-idle <minutes>', 'how long such a document waits for its next piece').default(15).argParser(positiveNumber),
    )
    .addOption(new Option('--threads <count>', 'threads that compute, of each model (default: one per core)').argParser(positiveInteger))
    .addOption(new Option('--log-level <level>', 'least severe lines of the log on stderr').choices(LOG_LEVELS).default('info' as const))
    .addHelpText('after', ENVIRONMENT_HELP)
    .addHelpText(
      'after',
      examples([
        ['ulmfit serve bundles/reviews --port 8000', 'answers at http://127.0.0.1:8000/v1/classify'],
        ['ulmfit serve', 'the sentiment classifier that came with ulmfit'],
        ['ulmfit serve bundles/reviews topics=bundles/topics-de', 'two models: /v1/models/topics/classify is the second'],
        ['ulmfit serve bundles/reviews --keys keys.json --models-root bundles', 'new versions over HTTP, with an admin key'],
      ]),
    )
    .action(async (bundles, given) => (await import('./commands/serve.ts')).serve(bundles, given));

  const keys = program.command('keys').description('Make, list and revoke the keys of a server.').helpCommand(false);

  keys
    .command('add')
    .description('Make a key and print it, once: the file holds only its hash.')
    .argument('<file>', 'file of keys; made where there is none')
    .addOption(
      new Option('--scope <scope>', 'predict asks models, admin may exchange them too')
        .choices(['predict', 'admin'] as const)
        .default('predict' as const),
    )
    .addOption(new Option('--name <name>', 'whose it is, for people'))
    .addHelpText(
      'after',
      examples([['ulmfit keys add keys.json --scope admin --name deploy', 'a running server reads the file again on SIGHUP']]),
    )
    .action(async (file, given) => (await import('./commands/keys.ts')).addKey(file, given));

  keys
    .command('list')
    .description('List the keys of a file.')
    .argument('<file>', 'file of keys')
    .addOption(options.json('the keys'))
    .addHelpText('after', examples([['ulmfit keys list keys.json', 'ids, scopes, names and dates']]))
    .action(async (file, given) => (await import('./commands/keys.ts')).listKeys(file, given));

  keys
    .command('revoke')
    .description('Take a key out of a file.')
    .argument('<file>', 'file of keys')
    .argument('<id>', 'id of the key, as ulmfit keys list shows it')
    .addHelpText('after', examples([['ulmfit keys revoke keys.json k3w9x0ab', 'a running server refuses it after SIGHUP']]))
    .action(async (file, id) => (await import('./commands/keys.ts')).revokeKey(file, id));

  keys.addHelpText(
    'after',
    examples([
      ['ulmfit keys add keys.json', 'a first key'],
      ['ulmfit keys list keys.json', 'those there are'],
    ]),
  );
}
