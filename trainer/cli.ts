import { Command, Option } from '@commander-js/extra-typings';

import { addBenchmarkCommands } from './benchmarkCommands.ts';
import { settleComputation, settleDeviceOf } from './commands/computation.ts';
import { CORPUS_HELP, DATA_HELP, examples } from './commands/help.ts';
import * as options from './commands/options.ts';
import { reportUnknownFlagFirst } from './commands/unknownFlags.ts';
import { fraction, nonNegativeNumber, port, positiveInteger, positiveNumber } from './commands/values.ts';
import { type Preset, PRESETS } from './model/presets.ts';
import { UNFREEZING, type UnfreezingName } from './optim/unfreezing.ts';
import { CHECKPOINT_MINUTES, CLASSIFIER_TRAINING, FINE_TUNING, PRETRAINING } from './recipe/defaults.ts';
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
    .hook('preAction', (_program, command) => settleDeviceOf(command))
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

  program
    .command('pretrain')
    .description('Step 1: train a language model on general text.')
    .argument('<corpus>', 'text to learn from')
    .addOption(options.out())
    .addOption(
      new Option('--preset <name>', 'sizes of the model').choices(Object.keys(PRESETS) as Preset[]).default<Preset>(PRETRAINING.preset),
    )
    .addOption(
      new Option('--embedding <numbers>', "numbers a word, and the last layer's width (default: the preset's)").argParser(positiveInteger),
    )
    .addOption(new Option('--hidden <units>', "units of the other LSTM layers (default: the preset's)").argParser(positiveInteger))
    .addOption(new Option('--layers <count>', "LSTM layers (default: the preset's)").argParser(positiveInteger))
    .addOption(new Option('--vocab <words>', "largest vocabulary (default: the preset's)").argParser(positiveInteger))
    .addOption(
      new Option('--min-count <times>', 'words seen fewer times are unknown').default(PRETRAINING.minCount).argParser(positiveInteger),
    )
    .addOption(options.text())
    .addOption(new Option('--valid <corpus>', 'held-out text (default: the last hundredth of the corpus)'))
    .addOption(options.batch(PRETRAINING.batch))
    .addOption(options.bptt(PRETRAINING.bptt))
    .addOption(options.epochs(PRETRAINING.epochs))
    .addOption(
      new Option('--max-steps <count>', 'stop after this many steps; the schedule is stretched over them').argParser(positiveInteger),
    )
    .addOption(new Option('--max-tokens <count>', 'stop after this many tokens, such as 1e7').argParser(positiveInteger))
    .addOption(options.learningRate(PRETRAINING.learningRate))
    .addOption(options.schedule(PRETRAINING.schedule))
    .addOption(options.dropMult(PRETRAINING.dropMult))
    .addOption(
      new Option('--weight-decay <factor>', 'decoupled weight decay').default(PRETRAINING.weightDecay).argParser(nonNegativeNumber),
    )
    .addOption(new Option('--clip <norm>', 'largest norm of the gradients').default(PRETRAINING.clip).argParser(positiveNumber))
    .addOption(new Option('--backwards', 'read every text from its end to its beginning'))
    .addOption(new Option('--half', 'store the finished weights in 16 bits'))
    .addOption(new Option('--data-licence <text>', 'licence of the corpus, for the model card'))
    .addOption(options.device())
    .addOption(options.precision())
    .addOption(options.seedOption())
    .addOption(options.resume())
    .addOption(
      new Option('--checkpoint-minutes <minutes>', 'time between two checkpoints').default(CHECKPOINT_MINUTES).argParser(positiveNumber),
    )
    .addOption(new Option('--checkpoints <folder>', 'where checkpoints go (default: "checkpoints" in --out)'))
    .addOption(options.json('the final figures'))
    .addHelpText('after', CORPUS_HELP)
    .addHelpText(
      'after',
      examples([
        ['ulmfit pretrain wiki/ --out models/wiki --preset small', 'a small model for CPUs'],
        ['ulmfit pretrain wiki/ --out models/wiki --preset small --resume', 'go on where a run was stopped'],
      ]),
    )
    .action(async (corpus, given) => (await import('./commands/pretrain.ts')).pretrain(corpus, given));

  program
    .command('finetune')
    .description('Step 2: fine-tune a language model on the text of your documents. Labels are not looked at.')
    .argument('<data>', 'texts of the kind to be classified, the more the better')
    .requiredOption('--from <model>', 'pretrained language model')
    .addOption(options.out())
    .addOption(options.text())
    .addOption(options.valid())
    .addOption(options.epochs(FINE_TUNING.epochs))
    .addOption(options.batch(FINE_TUNING.batch))
    .addOption(options.bptt(FINE_TUNING.bptt))
    .addOption(options.learningRate(FINE_TUNING.learningRate))
    .addOption(options.dropMult(FINE_TUNING.dropMult))
    .addOption(new Option('--max-vocab <words>', 'largest vocabulary').default(FINE_TUNING.maxVocab).argParser(positiveInteger))
    .addOption(options.device())
    .addOption(options.precision())
    .addOption(options.seedOption())
    .addOption(options.resume())
    .addOption(options.json('the final figures'))
    .addHelpText('after', CORPUS_HELP)
    .addHelpText(
      'after',
      examples([['ulmfit finetune reviews.csv --from models/wiki --out models/reviews-lm', 'all reviews, labelled or not']]),
    )
    .action(async (data, given) => (await import('./commands/finetune.ts')).finetune(data, given));

  program
    .command('train')
    .description('Step 3: train a classifier on labelled documents.')
    .argument('<data>', 'labelled documents')
    .addOption(new Option('--from <model>', 'language model to start from, fine-tuned or not').conflicts('fromScratch'))
    .addOption(new Option('--from-scratch', 'start from random weights, without a language model'))
    .addOption(options.out())
    .addOption(options.text())
    .addOption(options.label())
    .addOption(options.valid())
    .addOption(
      new Option('--valid-fraction <share>', 'share held out where there is no --valid; 0 for none')
        .default(CLASSIFIER_TRAINING.validFraction)
        .argParser(fraction),
    )
    .addOption(
      new Option('--labels <count>', 'train on this many labelled documents only, balanced, drawn by --seed').argParser(positiveInteger),
    )
    .addOption(options.epochs(CLASSIFIER_TRAINING.epochs))
    .addOption(new Option('--batch <documents>', 'documents in a step').default(CLASSIFIER_TRAINING.batch).argParser(positiveInteger))
    .addOption(new Option('--bptt <tokens>', 'tokens of a chunk').default(CLASSIFIER_TRAINING.bptt).argParser(positiveInteger))
    .addOption(
      new Option('--bptt-window <tokens>', "tokens at a document's end that send gradients; the rest counts all the same")
        .default(CLASSIFIER_TRAINING.bpttWindow)
        .argParser(positiveInteger),
    )
    .addOption(options.learningRate(CLASSIFIER_TRAINING.learningRate))
    .addOption(options.schedule(CLASSIFIER_TRAINING.schedule))
    .addOption(
      new Option('--unfreezing <name>', 'which layers learn when')
        .choices(Object.keys(UNFREEZING) as UnfreezingName[])
        .default<UnfreezingName>(CLASSIFIER_TRAINING.unfreezing),
    )
    .addOption(new Option('--no-discriminative', 'one learning rate for all layers, not 2.6 times less for each earlier one'))
    .addOption(options.dropMult(CLASSIFIER_TRAINING.dropMult))
    .addOption(options.device())
    .addOption(options.precision())
    .addOption(options.seedOption())
    .addOption(options.resume())
    .addOption(options.json('the final figures'))
    .addHelpText('after', DATA_HELP)
    .addHelpText(
      'after',
      examples([
        ['ulmfit train reviews.csv --from models/reviews-lm --out models/reviews', 'a tenth is held out to measure'],
        [
          'ulmfit train train.jsonl --valid test.jsonl --label stars --from models/wiki --out models/stars',
          'other columns, own held-out data',
        ],
        ['ulmfit train reviews.csv --labels 100 --from models/reviews-lm --out models/few', 'what 100 labels are worth'],
      ]),
    )
    .action(async (data, given, command) => {
      options.requireStart(command, given);
      await (await import('./commands/train.ts')).train(data, given);
    });

  program.commandsGroup('Using a model:');

  program
    .command('evaluate')
    .description('Measure a model: accuracy and figures for each label; for a language model loss and perplexity.')
    .argument('<model>', 'model folder')
    .argument('<data>', 'labelled documents; a corpus for a language model')
    .addOption(options.text())
    .addOption(options.label())
    .addOption(options.device())
    .addOption(options.json('the figures'))
    .addHelpText('after', DATA_HELP)
    .addHelpText('after', examples([['ulmfit evaluate models/reviews test.csv --json', 'figures for machines']]))
    .action(async (model, data, given) => (await import('./commands/evaluate.ts')).evaluate(model, data, given));

  program
    .command('predict')
    .description('Label texts.')
    .argument('<model>', 'model folder of a classifier')
    .argument('[text...]', 'texts, each in quotes')
    .addOption(new Option('--file <data>', 'read texts from a file, a folder, or standard input (-)'))
    .addOption(options.text())
    .addOption(
      new Option('--top-k <labels>', 'print this many labels of each text, the likeliest first (default: all)').argParser(positiveInteger),
    )
    .addOption(options.device())
    .addOption(options.json('one object a text'))
    .addHelpText(
      'after',
      examples([
        ['ulmfit predict models/reviews "A fine film."', 'a text'],
        ['ulmfit predict models/reviews --file new.jsonl --top-k 1 --json > labels.jsonl', 'a file, JSON Lines in and out'],
      ]),
    )
    .action(async (model, texts, given) => (await import('./commands/predict.ts')).predict(model, texts, given));

  program
    .command('export')
    .description("Make a bundle of a classifier (ONNX). It is refused where its answers differ from the model's.")
    .argument('<model>', 'model folder of a classifier')
    .requiredOption('--out <bundle>', 'folder to write')
    .requiredOption('--documents <data>', 'documents on which model and bundle are compared')
    .addOption(options.text())
    .addOption(new Option('--name <name>', "the bundle's name where it is served (default: the model folder's)"))
    .addOption(new Option('--bundle-version <text>', "the bundle's own version").default('1'))
    .addOption(options.json('what was measured'))
    .addHelpText(
      'after',
      examples([['ulmfit export models/reviews --out bundles/reviews --documents test.csv', 'compared on the test set']]),
    )
    .action(async (model, given) => {
      settleComputation({ device: 'cpu', precision: 'fp32' }); // what the bundle's answers are compared with
      await (await import('./commands/export.ts')).exportBundle(model, given);
    });

  program
    .command('serve')
    .description('Serve a bundle over HTTP on this machine.')
    .argument('<bundle>', 'folder written by ulmfit export')
    .addOption(new Option('--port <number>', 'TCP port; 0 takes any that is free').default(8080).argParser(port))
    .addOption(new Option('--host <address>', 'address to listen on; 0.0.0.0 is all of them').default('127.0.0.1'))
    .addOption(new Option('--max-batch <documents>', 'documents computed at a time').default(16).argParser(positiveInteger))
    .addOption(
      new Option('--max-queue <documents>', 'documents accepted at a time; more are refused with 429')
        .default(256)
        .argParser(positiveInteger),
    )
    .addOption(new Option('--max-body <bytes>', 'largest request').default(8 * 1024 * 1024, '8388608, 8 MiB').argParser(positiveInteger))
    .addHelpText('after', examples([['ulmfit serve bundles/reviews --port 8000', 'answers at http://127.0.0.1:8000/v1/classify']]))
    .action(async (bundle, given) => (await import('./commands/serve.ts')).serve(bundle, given));

  program.commandsGroup('Measuring:');

  addBenchmarkCommands(program);

  for (const command of program.commands) {
    command.showHelpAfterError(`Run "ulmfit ${command.name()} --help" for its options and examples.`);
  }
  return program.showHelpAfterError('Run "ulmfit --help" for the commands there are.');
}
