import { type Command, Option } from '@commander-js/extra-typings';

import * as answers from './commands/answerFlags.ts';
import { DATA_HELP, examples } from './commands/help.ts';
import * as options from './commands/options.ts';
import { positiveInteger } from './commands/values.ts';
import { CLASSIFIER_TRAINING } from './recipe/defaults.ts';

/** Adds `fit` to the command table. */
export function addFitCommands(program: Command): void {
  program
    .command('fit')
    .description('From documents to a bundle in one go: steps 2 and 3, measured on held-out documents, and exported.')
    .argument('<data>', 'labelled documents')
    .optionsGroup('Model:')
    .addOption(new Option('--out <folder>', 'folder that gets language-model, classifier and bundle').makeOptionMandatory())
    .addOption(new Option('--from <model>', `${options.LANGUAGE_MODEL} (default: wiki-small)`))
    .addOption(options.direction())
    .optionsGroup('Documents:')
    .addOption(options.text())
    .addOption(options.label())
    .addOption(answers.multiLabel())
    .addOption(answers.labelSeparator())
    .addOption(answers.regression())
    .addOption(answers.range())
    .addOption(new Option('--texts <data>', 'all texts of the kind, labelled or not, for step 2 (default: those of <data>)'))
    .addOption(
      new Option(
        '--test <data>',
        `labelled documents to measure on (default: ${100 * CLASSIFIER_TRAINING.validFraction} % of <data>, held out)`,
      ),
    )
    .optionsGroup('Training:')
    .addOption(new Option('--quick', 'few epochs: a first result in a fraction of the time'))
    .addOption(new Option('--no-finetune', 'leave out step 2, because --from knows texts of this kind'))
    .addOption(options.labelWeights())
    .addOption(
      new Option('--batch <count>', 'documents, or streams of text, in a step')
        .default(CLASSIFIER_TRAINING.batch)
        .argParser(positiveInteger),
    )
    .optionsGroup('Bundle:')
    .addOption(options.int8())
    .addOption(options.fp16())
    .optionsGroup('Run:')
    .addOption(options.device())
    .addOption(options.precision())
    .addOption(options.seedOption())
    .addOption(new Option('--resume', 'go on where a fit was stopped; finished steps are not done again'))
    .addOption(options.json('the figures and where everything is'))
    .addHelpText('after', DATA_HELP)
    .addHelpText(
      'after',
      examples([
        ['ulmfit fit reviews.csv --out runs/reviews --quick', 'a first look; then the same without --quick to another folder'],
        ['ulmfit fit train.csv --test test.csv --texts all.csv --from models/wiki --out runs/reviews', 'few labels, much text'],
        ['ulmfit serve runs/reviews/bundle', 'what comes next'],
      ]),
    )
    .action(async (data, _, command) => (await import('./commands/fit.ts')).fit(data, command));
}
