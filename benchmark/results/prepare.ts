/**
 * Decides, once for every method, which documents of a labelled set are learnt from and which are judged on, and writes them as JSON Lines.
 *
 * Usage: npx node benchmark/results/prepare.ts DATA --out runs/results/SET --labels 500,100 (--help shows all options)
 * Its folder holds: test.jsonl, to judge on; labelled.jsonl, all the rest; valid.jsonl, a tenth of the rest, on which settings may be chosen; train.jsonl,
 * the rest without it, from which labels-COUNT-DRAW.jsonl are drawn, balanced; text.jsonl, where there is text without labels.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { collect, fraction, positiveInteger } from '../../trainer/commands/values.ts';
import { balanceNote, drawLabels, type Parts, prepareParts } from '../../trainer/experiments/parts.ts';
import { cutFold, type Fold, readLabelled, writeLabelled } from './documents.ts';
import { failPlainly } from './failPlainly.ts';

/** Share of what is not judged on, on which settings may be chosen. */
const VALID_FRACTION = 0.1;

export interface PrepareOptions {
  readonly out: string;
  /** Text columns; default: `text`. */
  readonly text?: readonly string[] | undefined;
  readonly label?: string | undefined;
  /** They are newsgroup messages. */
  readonly messages?: boolean | undefined;
  /** Documents to judge on; default: a fold, or a share. */
  readonly test?: string | undefined;
  readonly fold?: Fold | undefined;
  readonly testFraction: number;
  /** Further text for language models. */
  readonly unlabelled?: string | undefined;
  /** Numbers of labels to draw, each so many times. */
  readonly labels?: readonly number[] | undefined;
  readonly draws: number;
}

/**
 * Writes the parts and the draws.
 *
 * @throws UserError for data that cannot be read, or is too little
 */
export async function prepare(data: string, options: PrepareOptions): Promise<Parts> {
  const { out, fold, testFraction, unlabelled, labels = [], draws } = options;
  await mkdir(out, { recursive: true });
  const whole = join(out, 'whole.jsonl');
  const given = join(out, 'given-test.jsonl');
  const documents = await readLabelled(data, options);
  let test: string | undefined;
  if (options.test !== undefined) {
    await writeLabelled(given, await readLabelled(options.test, options));
    test = given;
  } else if (fold !== undefined) {
    const { rest, heldOut } = cutFold(documents, fold);
    documents.splice(0, documents.length, ...rest);
    await writeLabelled(given, heldOut);
    test = given;
  }
  await writeLabelled(whole, documents);
  const columns = documents[0]?.fields.length ?? 1;
  const text = columns === 1 ? undefined : Array.from({ length: columns }, (_, index) => `text${index + 1}`);
  const parts = await prepareParts(whole, { text, test, testFraction, validFraction: VALID_FRACTION, unlabelled }, out);
  for (const count of labels) {
    const note = await balanceNote(parts, undefined, count);
    if (note !== undefined) console.error(note);
    for (let draw = 1; draw <= draws; draw++) await drawLabels(parts, undefined, count, draw);
  }
  await Promise.all([whole, given].map((path) => rm(path, { force: true })));
  return parts;
}

function foldOf(value: string): Fold {
  const [, number, of] = /^(\d+)\/(\d+)$/.exec(value) ?? [];
  if (number === undefined || of === undefined) throw new InvalidArgumentError('It must be a fold of so many, such as 1/10.');
  return { number: Number(number), of: Number(of) };
}

function counts(value: string): number[] {
  return value.split(',').map((part) => positiveInteger(part.trim()));
}

if (import.meta.main) {
  const command = new Command('prepare')
    .description('Decide, once for every method, which documents are learnt from and which are judged on.')
    .argument('<data>', 'labelled documents: a table, JSON Lines (also .gz, .br, .zst), or folders by label')
    .addOption(new Option('--out <folder>', 'folder to write').makeOptionMandatory())
    .addOption(new Option('--text <column>', 'text column; several times for several (default: "text")').argParser(collect))
    .addOption(new Option('--label <column>', 'label column (default: "label")'))
    .addOption(new Option('--messages', 'newsgroup messages: leave out headers, quoted lines and signatures'))
    .addOption(new Option('--test <data>', 'documents to judge on, of the same form').conflicts(['fold', 'testFraction']))
    .addOption(new Option('--fold <number/of>', 'a fold to judge on, such as 1/10, in the order of the data').argParser(foldOf))
    .addOption(new Option('--test-fraction <share>', 'share to judge on, drawn at random').default(0.1).argParser(fraction))
    .addOption(new Option('--unlabelled <data>', 'further text for language models'))
    .addOption(new Option('--labels <counts>', 'numbers of labels to draw, such as 500,100').argParser(counts))
    .addOption(new Option('--draws <count>', 'draws of each number').default(5).argParser(positiveInteger));
  await failPlainly(async () => {
    const program = await command.parseAsync();
    const [data] = program.processedArgs;
    const parts = await prepare(data, program.opts());
    for (const name of ['train', 'valid', 'test', 'text'] as const) console.log(`${name}: ${parts[name].documents} documents`);
  });
}
