import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { expect, test } from 'vitest';

import { DEFAULT_LIMITS } from '../../serve/limits.ts';
import { DEFAULT_SESSION_LIMITS } from '../../serve/sessionStore.ts';
import { DEFAULTS } from '../../serve/node/serverOptions.ts';
import { createProgram } from '../../trainer/cli.ts';
import { version } from '../../trainer/version.ts';
import { ulmfit } from './commandLine.ts';

/** What a person sees who asks for help; the same width everywhere. */
async function helpOf(...args: string[]): Promise<string> {
  let text = '';
  const program = createProgram();
  for (const command of [program, ...everyCommand(program)]) {
    command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 80, getOutHasColors: () => false });
  }
  await expect(program.parseAsync([...args, '--help'], { from: 'user' })).rejects.toMatchObject({ exitCode: 0 });
  return text;
}

/** All commands and the commands below them. */
function everyCommand(program: CommandUnknownOpts): CommandUnknownOpts[] {
  return program.commands.flatMap((command) => [command, ...everyCommand(command)]);
}

/** A command's name as a user types it, such as "benchmark train". */
function fullName(command: CommandUnknownOpts): string {
  const above = command.parent?.parent ? `${fullName(command.parent)} ` : '';
  return above + command.name();
}

const COMMANDS = everyCommand(createProgram()).map(fullName);

test('the program has its commands', () => {
  expect(COMMANDS).toEqual([
    'setup',
    'doctor',
    'tokenize',
    'pretrain',
    'finetune',
    'train',
    'fit',
    'find-rate',
    'import-fastai',
    'evaluate',
    'calibrate',
    'report',
    'predict',
    'generate',
    'export',
    'serve',
    'keys',
    'keys add',
    'keys list',
    'keys revoke',
    'deploy',
    'rollback',
    'jobs',
    'jobs submit',
    'jobs status',
    'jobs retry',
    'jobs fetch',
    'curve',
    'ablate',
    'benchmark',
    'benchmark train',
    'benchmark scaling',
    'benchmark profile',
    'benchmark tokenize',
    'benchmark serve',
    'benchmark edge',
    'benchmark setup-peer',
  ]);
});

test('the program explains itself', async () => {
  await expect(await helpOf()).toMatchFileSnapshot('help/ulmfit.txt');
});

test.each(COMMANDS)('%s explains itself', async (command) => {
  const text = await helpOf(...command.split(' '));
  await expect(text).toMatchFileSnapshot(`help/${command.replace(' ', '-')}.txt`);
  expect(text).toContain(`ulmfit ${command}`);
  expect(text).toContain('Examples:');
});

test.each(COMMANDS)('what the examples of %s show can be run', async (name) => {
  const examples = (await helpOf(...name.split(' '))).split('\n').filter((line) => /^ {2}(echo .*\| )?ulmfit /.test(line));
  expect(examples.length).toBeGreaterThan(0);
  for (const example of examples) {
    const args = wordsOf(example.replace(/^.*?ulmfit /, '').replace(/ > .*$/, ''));
    const program = createProgram();
    const called: unknown[] = [];
    for (const command of everyCommand(program))
      if (command.commands.length === 0) command.action((...given) => void called.push(given.at(-1)));
    await program.parseAsync(args, { from: 'user' });
    expect(called).toHaveLength(1);
  }
});

/** Words of a shell command, quotes taken off. */
function wordsOf(line: string): string[] {
  return Array.from(line.matchAll(/"([^"]*)"|(\S+)/g), ([, quoted, bare]) => quoted ?? bare ?? '');
}

test("serve's defaults are the server's", () => {
  const serve = createProgram().commands.find((command) => command.name() === 'serve');
  expect(serve?.opts()).toEqual({
    host: DEFAULTS.host,
    port: DEFAULTS.port,
    maxConcurrency: DEFAULTS.maxConcurrency,
    maxBatch: DEFAULT_LIMITS.maxBatch,
    maxQueue: DEFAULT_LIMITS.maxQueue,
    maxBody: DEFAULT_LIMITS.maxBodyBytes,
    maxTexts: DEFAULT_LIMITS.maxTexts,
    maxText: DEFAULT_LIMITS.maxTextLength,
    deadline: DEFAULT_LIMITS.deadlineMilliseconds / 1000,
    drain: DEFAULTS.drainMilliseconds / 1000,
    maxSessions: DEFAULT_SESSION_LIMITS.maxSessions,
    sessionIdle: DEFAULT_SESSION_LIMITS.idleMilliseconds / 60_000,
    logLevel: 'info',
  });
});

test('help and version go to standard output and end with 0', async () => {
  const [help, versionText] = await Promise.all([ulmfit(['train', '-h']), ulmfit(['--version'])]);
  expect(help).toMatchObject({ code: 0, stderr: '' });
  expect(help.stdout).toContain('Usage: ulmfit train [options] <data>');
  expect(versionText).toEqual({ code: 0, stdout: `${version()}\n`, stderr: '' });
});
