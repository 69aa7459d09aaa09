import { Command, Option } from '@commander-js/extra-typings';

import { addBenchmarkCommands } from './benchmarkCommands.ts';
import { applyConfig } from './commands/config.ts';
import { settleComputation, settleDeviceOf } from './commands/computation.ts';
import { examples } from './commands/help.ts';
import * as options from './commands/options.ts';
import { reportUnknownFlagFirst } from './commands/unknownFlags.ts';
import { positiveInteger } from './commands/values.ts';
import { addDeployCommands } from './deployCommands.ts';
import { addExperimentCommands } from './experimentCommands.ts';
import { addFindRateCommands } from './findRateCommands.ts';
import { addFitCommands } from './fitCommands.ts';
import { addGenerateCommands } from './generateCommands.ts';
import { addReportCommands } from './reportCommands.ts';
import { addImportCommands } from './importCommands.ts';
import { addServeCommands } from './serveCommands.ts';
import { addTrainingCommands } from './trainingCommands.ts';
import { version } from './version.ts';

/**
 * The command table: every command, its arguments and options, and where it is carried out. A command's code is loaded when it runs.
 */
export function createProgram(): Command {
  const program = new Command('ulmfit')
    .description('Text classifiers from little labelled data (ULMFiT): pretrain, fine-tune, train, export, serve.')
    .version(version(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .enablePositionalOptions() // what stands after a command's name is the command's alone
    .hook('preSubcommand', reportUnknownFlagFirst)
    .hook('preAction', (_program, command) => {
      applyConfig(command);
      settleDeviceOf(command);
    })
    .exitOverride();

  program.commandsGroup('Setting up:');

  program
    .command('setup')
    .description('Install the training engine (TensorFlow) once for this user, or repair it.')
    .addOption(new Option('--gpu', "the engine for NVIDIA GPUs, with NVIDIA's libraries, beside the other one"))
    .addOption(options.json('the result'))
    .addHelpText(
      'after',
      examples([
        ['ulmfit setup', 'about 300 MB to download'],
        ['ulmfit setup --gpu', 'about 2.9 GB to download, for Linux on x64'],
      ]),
    )
    .action(async (given) => (await import('./commands/setup.ts')).setup(given));

  program
    .command('doctor')
    .description('Say what works on this machine, and the cure for what does not.')
    .addOption(options.device())
    .addOption(options.json('the findings'))
    .addHelpText(
      'after',
      examples([
        ['ulmfit doctor', 'the exit code is 1 where training would not work'],
        ['ulmfit doctor --device gpu', 'compares the GPU with the processor as well, step by step on small models'],
      ]),
    )
    .action(async (given) => (await import('./commands/doctor.ts')).doctor(given));

  program
    .command('tokenize')
    .description('Show the tokens of texts exactly as the models see them.')
    .argument('[text...]', 'texts, each in quotes')
    .addOption(new Option('--file <data>', 'read texts from a file, a folder, or standard input (-)'))
    .addOption(options.text())
    .addOption(new Option('--from <model>', 'show the ids in the vocabulary of a model folder or bundle as well'))
    .addOption(options.json('one object a text'))
    .addHelpText(
      'after',
      examples([
        ['ulmfit tokenize "Sooo GOOD, isn\'t it?"', 'a text'],
        ['ulmfit tokenize --file reviews.csv --text title --text body --json', 'the fields of each record'],
        ['echo "Good." | ulmfit tokenize --file - --from models/reviews', 'ids, as a model gets them'],
      ]),
    )
    .action(async (texts, given) => (await import('./commands/tokenize.ts')).tokenize(texts, given));

  program.commandsGroup('Training:');

  addTrainingCommands(program);
  addFitCommands(program);
  addFindRateCommands(program);
  addImportCommands(program);

  program.commandsGroup('Using a model:');

  addReportCommands(program);

  program
    .command('predict')
    .description('Label texts.')
    .argument('<model>', 'bundle, or model folder of a classifier, or the name of a classifier that came with ulmfit')
    .argument('[text...]', 'texts, each in quotes')
    .addOption(new Option('--file <data>', 'read texts from a file, a folder, or standard input (-)'))
    .addOption(options.text())
    .addOption(
      new Option('--top-k <labels>', 'print this many labels of each text, the likeliest first (default: all)').argParser(positiveInteger),
    )
    .addOption(new Option('--explain', 'show how the answer moves word by word, and which words it hangs on'))
    .addOption(new Option('--html <file>', 'write the explanations as a page too').implies({ explain: true }))
    .addOption(
      new Option('--out <file>', 'write the answers to a file as JSON Lines, one object a text, and show progress').conflicts([
        'explain',
        'html',
      ]),
    )
    .addOption(new Option('--resume', 'go on where an interrupted run with --out stopped'))
    .addOption(options.device())
    .addOption(options.json('one object a text'))
    .addHelpText(
      'after',
      examples([
        ['ulmfit predict models/reviews "A fine film."', 'a text'],
        ['ulmfit predict models/reviews "A fine film." --html why.html', 'and why: in the terminal and as a page for a browser'],
        ['ulmfit predict models/reviews --file new.jsonl --top-k 1 --json > labels.jsonl', 'a file, JSON Lines in and out'],
        [
          'ulmfit predict bundles/reviews --file millions.csv.gz --out answers.jsonl --resume',
          'any number of documents, by a bundle; run it again after an interruption',
        ],
      ]),
    )
    .action(async (model, texts, given) => (await import('./commands/predict.ts')).predict(model, texts, given));

  addGenerateCommands(program);

  program
    .command('export')
    .description("Make a bundle of a classifier (ONNX). It is refused where its answers differ from the model's.")
    .argument('<model>', 'model folder of a classifier, or pair of them')
    .requiredOption('--out <bundle>', 'folder to write')
    .requiredOption('--documents <data>', 'documents on which model and bundle are compared')
    .addOption(options.text())
    .addOption(options.int8())
    .addOption(options.fp16())
    .addOption(new Option('--name <name>', "the bundle's name where it is served (default: the model folder's)"))
    .addOption(new Option('--bundle-version <text>', "the bundle's own version").default('1'))
    .addOption(options.json('what was measured'))
    .addHelpText(
      'after',
      examples([
        ['ulmfit export models/reviews --out bundles/reviews --documents test.csv', 'compared on the test set'],
        ['ulmfit export models/reviews --int8 --out bundles/reviews-int8 --documents test.csv', 'small and fast'],
      ]),
    )
    .action(async (model, given) => {
      settleComputation({ device: 'cpu', precision: 'fp32' }); // what the bundle's answers are compared with
      await (await import('./commands/export.ts')).exportBundle(model, given);
    });

  addServeCommands(program);

  program.commandsGroup('At the edge:');

  addDeployCommands(program);

  program.commandsGroup('Measuring:');

  addExperimentCommands(program);
  addBenchmarkCommands(program);

  for (const command of program.commands) {
    command.showHelpAfterError(`Run "ulmfit ${command.name()} --help" for its options and examples.`);
  }
  return program.showHelpAfterError('Run "ulmfit --help" for the commands there are.');
}
