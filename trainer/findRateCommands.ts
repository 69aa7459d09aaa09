import { type Command, Option } from '@commander-js/extra-typings';

import * as answers from './commands/answerFlags.ts';
import { DATA_HELP, examples } from './commands/help.ts';
import * as options from './commands/options.ts';
import { fraction, nonNegativeNumber, positiveInteger, positiveNumber } from './commands/values.ts';
import { RANGE_TEST, RATE_GROUPS, RATE_STEPS } from './recipe/rangeTest.ts';

/** What an option is where it is not chosen; it depends on `--step` and `--recipe`. */
const AS_STEP = "(default: the step's)";

/** Adds `find-rate` to the command table. */
export function addFindRateCommands(program: Command): void {
  program
    .command('find-rate')
    .description('Look for a learning rate: train for a step at each of many rates, from far too low to far too high. No model is changed.')
    .argument('<data>', 'what the step would be given')
    .optionsGroup('Test:')
    .addOption(new Option('--from <model>', options.LANGUAGE_MODEL).makeOptionMandatory())
    .addOption(new Option('--step <name>', 'the step that the rate is for').choices(RATE_STEPS).default('train'))
    .addOption(new Option('--direction <name>', 'which model of a pair (default: the forward one)').choices(['forward', 'backward']))
    .addOption(
      new Option('--groups <name>', 'layer groups that learn: all, or the last alone, as in the first epoch of the step')
        .choices(RATE_GROUPS)
        .default('all'),
    )
    .addOption(new Option('--steps <count>', 'rates that are tried').default(RANGE_TEST.steps).argParser(positiveInteger))
    .addOption(new Option('--lowest <rate>', 'first rate').default(RANGE_TEST.lowest).argParser(positiveNumber))
    .addOption(new Option('--highest <rate>', 'last rate').default(RANGE_TEST.highest).argParser(positiveNumber))
    .addOption(new Option('--out <prefix>', 'draw the curve as <prefix>.svg and <prefix>.png'))
    .optionsGroup('Documents:')
    .addOption(options.text())
    .addOption(options.label())
    .addOption(answers.multiLabel())
    .addOption(answers.labelSeparator())
    .addOption(answers.regression())
    .addOption(answers.range())
    .addOption(new Option('--valid-fraction <share>', `share that train would hold out ${AS_STEP}`).argParser(fraction))
    .addOption(new Option('--labels <count>', 'train on this many labelled documents only').argParser(positiveInteger))
    .optionsGroup('The step:')
    .addOption(options.recipe())
    .addOption(new Option('--batch <count>', `documents, or streams of text, in a step ${AS_STEP}`).argParser(positiveInteger))
    .addOption(new Option('--bptt <tokens>', `tokens of a chunk ${AS_STEP}`).argParser(positiveInteger))
    .addOption(new Option('--no-discriminative', options.NO_DISCRIMINATIVE))
    .addOption(new Option('--drop-mult <factor>', `factor on the model's five dropouts ${AS_STEP}`).argParser(nonNegativeNumber))
    .addOption(new Option('--weight-decay <factor>', `decoupled weight decay ${AS_STEP}`).argParser(nonNegativeNumber))
    .addOption(new Option('--clip <norm>', `largest norm of the gradients ${AS_STEP}`).argParser(positiveNumber))
    .optionsGroup('Run:')
    .addOption(options.device())
    .addOption(options.precision())
    .addOption(options.seedOption())
    .addOption(options.json('the curve and the suggestions'))
    .addHelpText('after', DATA_HELP)
    .addHelpText(
      'after',
      examples([
        ['ulmfit find-rate reviews.csv --from models/reviews-lm', 'for the classifier'],
        ['ulmfit find-rate reviews.csv --from models/wiki --step finetune --out rate', 'for the language model, with a picture'],
      ]),
    )
    .action(async (data, _, command) => (await import('./commands/findRate.ts')).findRate(data, command));
}
