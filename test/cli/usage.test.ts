import { expect, test, vi } from 'vitest';

import { createProgram } from '../../trainer/cli.ts';
import { exitCodeOf } from '../../trainer/report/failure.ts';
import { ulmfit } from './commandLine.ts';

/** Runs a command line that is refused before anything happens. */
async function refusal(line: string): Promise<{ text: string; code: number }> {
  let text = '';
  const program = createProgram();
  for (const command of [program, ...program.commands]) command.configureOutput({ writeErr: (part) => (text += part) });
  const error: unknown = await program.parseAsync(line.split(' ').filter(Boolean), { from: 'user' }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { text, code: error === undefined ? 0 : exitCodeOf(error) };
}

const TRAIN_HINT = 'Run "ulmfit train --help" for its options and examples.\n';
const RUN = 'train data.csv --from lm --out m';

const REFUSED: readonly [line: string, text: string][] = [
  ['trian data.csv', 'error: unknown command \'trian\'\n(Did you mean train?)\nRun "ulmfit --help" for the commands there are.\n'],
  ['--verion', 'error: unknown option \'--verion\'\n(Did you mean --version?)\nRun "ulmfit --help" for the commands there are.\n'],
  ['train data.csv --form lm', `error: unknown option '--form'\n(Did you mean --from?)\n${TRAIN_HINT}`],
  ['train data.csv --epoch=3', `error: unknown option '--epoch=3'\n(Did you mean --epochs?)\n${TRAIN_HINT}`],
  ['train data.csv --from --form --epoch 3', `error: unknown option '--epoch'\n(Did you mean --epochs?)\n${TRAIN_HINT}`],
  ['train data.csv --from lm', `error: required option '--out <folder>' not specified\n${TRAIN_HINT}`],
  ['train -- --form', `error: required option '--out <folder>' not specified\n${TRAIN_HINT}`],
  ['train --from lm --out m', `error: missing required argument 'data'\n${TRAIN_HINT}`],
  [
    'train a.csv b.csv --from lm --out m',
    `error: too many arguments for 'train'. Expected 1 argument but got 2: a.csv, b.csv.\n${TRAIN_HINT}`,
  ],
  ['train data.csv --out m', `error: name a language model with '--from <model>', or give '--from-scratch'\n${TRAIN_HINT}`],
  [`${RUN} --from-scratch`, `error: option '--from <model>' cannot be used with option '--from-scratch'\n${TRAIN_HINT}`],
  [`${RUN} --seed`, `error: option '--seed <number>' argument missing\n${TRAIN_HINT}`],
  [
    `${RUN} --batch 0`,
    `error: option '--batch <documents>' argument '0' is invalid. It must be a whole number of at least 1.\n${TRAIN_HINT}`,
  ],
  [
    `${RUN} --batch -3`,
    `error: option '--batch <documents>' argument '-3' is invalid. It must be a whole number of at least 1.\n${TRAIN_HINT}`,
  ],
  [
    `${RUN} --batch 1.5`,
    `error: option '--batch <documents>' argument '1.5' is invalid. It must be a whole number of at least 1.\n${TRAIN_HINT}`,
  ],
  [
    `${RUN} --batch many`,
    `error: option '--batch <documents>' argument 'many' is invalid. It must be a whole number of at least 1.\n${TRAIN_HINT}`,
  ],
  [
    `${RUN} --seed 4294967296`,
    `error: option '--seed <number>' argument '4294967296' is invalid. It must be a whole number from 0 to 2147483647.\n${TRAIN_HINT}`,
  ],
  [
    `${RUN} --learning-rate 0`,
    `error: option '--learning-rate <rate>' argument '0' is invalid. It must be a number greater than 0.\n${TRAIN_HINT}`,
  ],
  [
    `${RUN} --drop-mult -1`,
    `error: option '--drop-mult <factor>' argument '-1' is invalid. It must be a number of at least 0.\n${TRAIN_HINT}`,
  ],
  [
    `${RUN} --valid-fraction 1`,
    `error: option '--valid-fraction <share>' argument '1' is invalid. It must be a number from 0 to less than 1, such as 0.1.\n${TRAIN_HINT}`,
  ],
  [
    `${RUN} --unfreezing slowly`,
    `error: option '--unfreezing <name>' argument 'slowly' is invalid. Allowed choices are gradual, full, last, chain-thaw, staged.\n${TRAIN_HINT}`,
  ],
  [
    `${RUN} --bounds 5,1`,
    `error: option '--bounds <low,high>' argument '5,1' is invalid. It must be two numbers, the smaller one first, such as 1,5.\n${TRAIN_HINT}`,
  ],
  [`${RUN} --multi-label --regression`, `error: option '--multi-label' cannot be used with option '--regression'\n${TRAIN_HINT}`],
  [
    'finetune data.csv --out m',
    'error: required option \'--from <model>\' not specified\nRun "ulmfit finetune --help" for its options and examples.\n',
  ],
  [
    'serve bundle --port 65536',
    "error: option '--port <number>' argument '65536' is invalid. It must be a whole number from 0 to 65535.\n" +
      'Run "ulmfit serve --help" for its options and examples.\n',
  ],
];

test.each(REFUSED)('refuses: %s', async (line, text) => {
  expect(await refusal(line)).toEqual({ text, code: 2 });
});

test('no command at all is answered with the help, on standard error', async () => {
  const { code, stdout, stderr } = await ulmfit([]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain('Usage: ulmfit [options] [command]');
});

test('what is not given has its default, what is given is parsed', async () => {
  const seen: unknown[] = [];
  vi.stubEnv('ULMFIT_DEVICE', undefined);
  vi.stubEnv('ULMFIT_PRECISION', 'bf16');
  const program = createProgram();
  for (const command of program.commands) command.action((...given) => void seen.push(given.at(-2)));
  await program.parseAsync(
    'train d --from lm --out m --text title --text body --no-discriminative --epochs 1e1 --drop-mult .7'.split(' '),
    { from: 'user' },
  );
  expect(seen).toEqual([
    {
      from: 'lm',
      out: 'm',
      text: ['title', 'body'],
      discriminative: false,
      epochs: 10,
      dropMult: 0.7,
      batch: 64,
      bptt: 70,
      bpttWindow: 1440,
      learningRate: 0.01,
      schedule: 'slanted-triangular',
      unfreezing: 'gradual',
      recipe: 'paper',
      labelWeights: 'none',
      weightDecay: 0.01,
      clip: 25,
      keep: 'last',
      validFraction: 0.1,
      device: 'auto',
      precision: 'bf16',
      seed: 42,
    },
  ]);
  vi.unstubAllEnvs();
});

test("a user's mistake ends with 2 and one line, on standard error alone", async () => {
  const { code, stdout, stderr } = await ulmfit(['tokenize', '--file', 'nowhere.csv']);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toBe(`nowhere.csv does not exist. Check the name; relative names start from ${process.cwd()}.\n`);
});

test('ULMFIT_DEBUG=1 tells where it happened', async () => {
  const { code, stderr } = await ulmfit(['tokenize', '--file', 'nowhere.csv'], { environment: { ULMFIT_DEBUG: '1' } });
  expect(code).toBe(2);
  expect(stderr).toMatch(/nowhere\.csv does not exist[^]*\n\s+at .*source\.ts/);
});
