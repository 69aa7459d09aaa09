import { type Command, type CommandUnknownOpts, InvalidArgumentError, Option } from '@commander-js/extra-typings';

import { DATA_HELP, examples } from './commands/help.ts';
import * as options from './commands/options.ts';
import { bounds, fraction, positiveInteger, seed } from './commands/values.ts';
import { EXPERIMENT } from './experiments/defaults.ts';
import { ABLATION_TABLES } from './experiments/ablationRows.ts';
import { WAYS } from './experiments/ways.ts';
import { FINE_TUNING } from './recipe/defaults.ts';

/** Adds `curve` and `ablate`: experiments of many runs. Defaults stand here for the help alone, as in trainingCommands.ts. */
export function addExperimentCommands(program: Command): void {
  program
    .command('curve')
    .description(
      'Measure what labels are worth: classifiers from few labels, with a language model and from scratch (figure 3 of the paper).',
    )
    .argument('<data>', 'labelled documents')
    .optionsGroup('Experiment:')
    .addOption(from())
    .addOption(outFolder())
    .addOption(options.direction())
    .addOption(new Option('--labels <counts>', 'numbers of labels, such as 50,100,200').argParser(listOf(positiveInteger)))
    .addOption(
      new Option('--scratch-labels <counts>', 'further numbers of labels, from scratch alone: to see how many match few').argParser(
        listOf(positiveInteger),
      ),
    )
    .addOption(new Option('--ways <names>', `any of ${WAYS.join(', ')} (default: all)`).argParser(listOf(name)))
    .addOption(seeds())
    .addOption(keepModels())
    .optionsGroup('Documents:')
    .addOption(options.text())
    .addOption(options.label())
    .addOption(multiLabel())
    .addOption(labelSeparator())
    .addOption(regression())
    .addOption(regressionBounds())
    .addOption(unlabelled())
    .addOption(test())
    .addOption(testFraction())
    .addOption(valid())
    .addOption(validFraction())
    .optionsGroup('Training:')
    .addOption(options.recipe())
    .addOption(lmEpochs())
    .addOption(epochs())
    .addOption(earlyStopping())
    .optionsGroup('Run:')
    .addOption(options.config())
    .addOption(options.device())
    .addOption(options.precision())
    .addOption(resume())
    .addOption(options.json('what was measured'))
    .addHelpText('after', DATA_HELP)
    .addHelpText(
      'after',
      examples([
        ['ulmfit curve reviews.csv --from models/wiki --labels 50,100,200,500 --out runs/curve', 'writes curve.svg, curve.png, curve.json'],
        [
          'ulmfit curve reviews.csv --from models/wiki --labels 100 --scratch-labels 1000,5000 --unlabelled more.csv --out runs/more',
          'with more text for the language model, and further from scratch',
        ],
        ['ulmfit curve reviews.csv --from models/wiki --labels 50,100,200,500 --out runs/curve --resume', 'go on where it was stopped'],
      ]),
    )
    .action(async (data, _, command) => {
      requireOptions(command, '--from <model>', '--labels <counts>');
      await (await import('./commands/curve.ts')).curve(data, command);
    });

  program
    .command('ablate')
    .description("Measure what each part of the method brings: rows of the paper's tables 4 to 7 on your data, beside the paper's figures.")
    .argument('<data>', 'labelled documents')
    .optionsGroup('Experiment:')
    .addOption(from())
    .addOption(outFolder())
    .addOption(
      new Option(
        '--rows <names>',
        `rows or tables, such as ${Object.keys(ABLATION_TABLES)[0]} or scratch,full,ulmfit (default: all)`,
      ).argParser(listOf(name)),
    )
    .addOption(
      new Option('--vanilla-from <model>', 'language model that was pretrained without dropout, for the row vanilla-lm (default: --from)'),
    )
    .addOption(seeds())
    .addOption(keepModels())
    .optionsGroup('Documents:')
    .addOption(options.text())
    .addOption(options.label())
    .addOption(multiLabel())
    .addOption(labelSeparator())
    .addOption(regression())
    .addOption(regressionBounds())
    .addOption(
      new Option('--labels <count>', 'train on this many labelled documents only, balanced, drawn by each seed').argParser(positiveInteger),
    )
    .addOption(unlabelled())
    .addOption(test())
    .addOption(testFraction())
    .addOption(valid())
    .addOption(validFraction())
    .optionsGroup('Training:')
    .addOption(options.recipe())
    .addOption(lmEpochs())
    .addOption(epochs())
    .addOption(earlyStopping())
    .optionsGroup('Run:')
    .addOption(options.config())
    .addOption(options.device())
    .addOption(options.precision())
    .addOption(resume())
    .addOption(options.json('what was measured'))
    .addHelpText('after', DATA_HELP)
    .addHelpText('after', ABLATION_HELP)
    .addHelpText(
      'after',
      examples([
        ['ulmfit ablate reviews.csv --from models/wiki --out runs/ablation --rows table6', 'what fine-tuning the language model brings'],
        [
          'ulmfit ablate reviews.csv --from models/wiki --out runs/few --rows scratch,last,full,ulmfit --labels 200 --seeds 1',
          'a first look',
        ],
      ]),
    )
    .action(async (data, _, command) => {
      requireOptions(command, '--from <model>');
      await (await import('./commands/ablate.ts')).ablate(data, command);
    });
}

const from = () => new Option('--from <model>', options.LANGUAGE_MODEL);

const outFolder = () => new Option('--out <folder>', 'folder to write; a finished run in it is not repeated').makeOptionMandatory();

const seeds = () =>
  new Option('--seeds <numbers>', `repeat each run with these (default: ${EXPERIMENT.seeds.join(',')})`).argParser(listOf(seed));

const keepModels = () => new Option('--keep-models', 'keep the weights of classifiers that are finished');

const multiLabel = () => new Option('--multi-label', 'any number of labels may apply to a document').conflicts('regression');

const labelSeparator = () =>
  new Option('--label-separator <text>', 'what stands between the labels of a document, of several (default: ";" in tables)');

const regression = () => new Option('--regression', 'the label is a number');

const regressionBounds = () => new Option('--bounds <low,high>', 'what the numbers of a regression lie between').argParser(bounds);

const unlabelled = () => new Option('--unlabelled <data>', 'further text for the language model');

const test = () => new Option('--test <data>', 'documents to judge on, of the same form');

const testFraction = () =>
  new Option('--test-fraction <share>', 'share to judge on where there is no --test').default(EXPERIMENT.testFraction).argParser(fraction);

const valid = () => new Option('--valid <data>', 'documents that tell when to stop, of the same form');

const validFraction = () =>
  new Option('--valid-fraction <share>', 'share of the rest that tells when to stop, where there is no --valid')
    .default(EXPERIMENT.validFraction)
    .argParser(fraction);

const lmEpochs = () =>
  new Option('--lm-epochs <count>', 'passes over the text, of a language model').default(FINE_TUNING.epochs).argParser(positiveInteger);

const epochs = () =>
  new Option('--epochs <count>', 'passes over the documents, of a classifier, at most')
    .default(EXPERIMENT.epochs)
    .argParser(positiveInteger);

const earlyStopping = () =>
  new Option('--early-stopping <epochs>', 'stop a classifier after so many epochs without a lower loss, and keep the best')
    .default(EXPERIMENT.earlyStopping)
    .argParser(positiveInteger);

const resume = () => new Option('--resume', 'go on with the experiment in --out');

/** Refuses a command that lacks an option which the command line or a file (`--config`) must give. */
function requireOptions(command: CommandUnknownOpts, ...flags: readonly string[]): void {
  for (const { flags: name, attributeName } of command.options.map((option) => ({
    flags: option.flags,
    attributeName: option.attributeName(),
  }))) {
    if (flags.includes(name) && command.getOptionValue(attributeName) === undefined)
      command.error(`error: required option '${name}' not specified`);
  }
}

/** What the rows are called, table by table, in lines of at most 80 characters. */
const ABLATION_HELP = `
Rows, by table:
${Object.entries(ABLATION_TABLES)
  .map(([table, { rows }]) => `  ${table}: ${rows.map(({ run }) => run).join(', ')}`.replaceAll(/(.{1,72})(?: |$)/g, '$1\n    ').trimEnd())
  .join('\n')}`;

/** Values with commas between them; those of a file may also be a list. */
function listOf<Value>(parse: (value: string) => Value): (value: string, previous: Value[] | undefined) => Value[] {
  return (value, previous = []) => [...previous, ...value.split(',').map((part) => parse(part.trim()))];
}

function name(value: string): string {
  if (value !== '') return value;
  throw new InvalidArgumentError('It must be names with commas between them.');
}
