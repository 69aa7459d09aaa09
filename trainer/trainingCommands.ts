import { type Command, type CommandUnknownOpts, Option } from '@commander-js/extra-typings';

import * as answers from './commands/answerFlags.ts';
import { CORPUS_HELP, DATA_HELP, examples } from './commands/help.ts';
import * as options from './commands/options.ts';
import { fraction, positiveInteger, positiveNumber } from './commands/values.ts';
import type { Preset } from './model/presets.ts';
import { OPTIMIZERS } from './optim/rules.ts';
import { LANGUAGE_MODEL_UNFREEZING, UNFREEZING } from './optim/unfreezing.ts';
import { CHECKPOINT_MINUTES, CLASSIFIER_TRAINING, FINE_TUNING, FINE_TUNING_OF, PRETRAINING } from './recipe/defaults.ts';

/**
 * The three steps. Defaults stand here for the help alone: an action passes on what was chosen, and the library fills in the rest, because
 * some defaults depend on others (`--recipe`).
 */
export function addTrainingCommands(program: Command): void {
  program
    .command('pretrain')
    .description('Step 1: train a language model on general text.')
    .argument('<corpus>', 'text to learn from')
    .optionsGroup('Model:')
    .addOption(new Option('--from <model>', 'language model, or a pair, to go on from; its sizes hold (default: random weights)'))
    .addOption(options.out())
    .addOption(options.preset().default<Preset>(PRETRAINING.preset))
    .addOption(options.embedding())
    .addOption(options.hidden())
    .addOption(options.layers())
    .addOption(options.vocab())
    .addOption(options.minCount().default(PRETRAINING.minCount))
    .addOption(
      new Option(
        '--direction <name>',
        'read texts from the beginning, from the end, or both (two models) (default: that of --from, else "forward")',
      ).choices(options.DIRECTION_NAMES),
    )
    .optionsGroup('Text:')
    .addOption(options.text())
    .addOption(new Option('--valid <corpus>', 'held-out text (default: the last hundredth of the corpus)'))
    .optionsGroup('Training:')
    .addOption(options.batch(PRETRAINING.batch))
    .addOption(options.bptt(PRETRAINING.bptt))
    .addOption(options.epochs(PRETRAINING.epochs))
    .addOption(
      new Option('--max-steps <count>', 'stop after this many steps; the schedule is stretched over them').argParser(positiveInteger),
    )
    .addOption(new Option('--max-tokens <count>', 'stop after this many tokens, such as 1e7').argParser(positiveInteger))
    .addOption(
      new Option('--optimizer <name>', 'nt-asgd: plain gradient descent, averaged once the held-out loss stalls; rate 30, constant')
        .choices(OPTIMIZERS)
        .default('adam'),
    )
    .addOption(options.learningRate(PRETRAINING.learningRate))
    .addOption(options.schedule(PRETRAINING.schedule))
    .addOption(options.dropMult(PRETRAINING.dropMult))
    .addOption(options.weightDecay(PRETRAINING.weightDecay))
    .addOption(options.clip(PRETRAINING.clip))
    .addOption(options.earlyStopping())
    .addOption(options.keep())
    .addOption(options.half())
    .addOption(new Option('--data-licence <text>', 'licence of the corpus, for the model card'))
    .optionsGroup('Run:')
    .addOption(options.config())
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
        ['ulmfit pretrain wiki/ --out models/wiki --direction both', 'a forward and a backward model'],
        ['ulmfit pretrain patents/ --from models/wiki --out models/patents', 'go on with other text'],
      ]),
    )
    .action(async (corpus, _, command) => (await import('./commands/pretrain.ts')).pretrain(corpus, command));

  program
    .command('finetune')
    .description('Step 2: fine-tune a language model on the text of your documents. Labels are not looked at.')
    .argument('<data>', 'texts of the kind to be classified, the more the better')
    .optionsGroup('Model:')
    .addOption(new Option('--from <model>', options.LANGUAGE_MODEL))
    .addOption(options.out())
    .addOption(options.direction())
    .optionsGroup('Text:')
    .addOption(options.text())
    .addOption(options.valid())
    .optionsGroup('Training:')
    .addOption(options.recipe())
    .addOption(options.epochs(FINE_TUNING.epochs))
    .addOption(options.batch(FINE_TUNING.batch))
    .addOption(options.bptt(FINE_TUNING.bptt))
    .addOption(options.learningRate(FINE_TUNING.learningRate))
    .addOption(options.schedule(FINE_TUNING.schedule))
    .addOption(
      new Option('--unfreezing <name>', 'which layers learn when')
        .choices(Object.keys(LANGUAGE_MODEL_UNFREEZING) as (keyof typeof LANGUAGE_MODEL_UNFREEZING)[])
        .default(FINE_TUNING_OF.paper.unfreezing),
    )
    .addOption(new Option('--no-discriminative', options.NO_DISCRIMINATIVE))
    .addOption(options.dropMult(FINE_TUNING.dropMult))
    .addOption(options.weightDecay(FINE_TUNING.weightDecay))
    .addOption(options.clip(FINE_TUNING.clip))
    .addOption(new Option('--max-vocab <words>', 'largest vocabulary').default(FINE_TUNING.maxVocab).argParser(positiveInteger))
    .addOption(options.earlyStopping())
    .addOption(options.keep())
    .addOption(options.half())
    .optionsGroup('Run:')
    .addOption(options.config())
    .addOption(options.device())
    .addOption(options.precision())
    .addOption(options.seedOption())
    .addOption(options.resume())
    .addOption(options.json('the final figures'))
    .addHelpText('after', CORPUS_HELP)
    .addHelpText(
      'after',
      examples([['ulmfit finetune reviews.csv --from wiki-small --out models/reviews-lm', 'all reviews, labelled or not']]),
    )
    .action(async (data, _, command) => {
      requireFrom(command);
      await (await import('./commands/finetune.ts')).finetune(data, command);
    });

  program
    .command('train')
    .description('Step 3: train a classifier on labelled documents.')
    .argument('<data>', 'labelled documents')
    .optionsGroup('Model:')
    .addOption(new Option('--from <model>', `${options.LANGUAGE_MODEL}; fine-tuned or not`).conflicts('fromScratch'))
    .addOption(new Option('--from-scratch', 'start from random weights, without a language model'))
    .addOption(options.out())
    .addOption(options.direction())
    .optionsGroup('From scratch alone:')
    .addOption(options.preset('small'))
    .addOption(options.embedding())
    .addOption(options.hidden())
    .addOption(options.layers())
    .addOption(options.vocab())
    .addOption(options.minCount(PRETRAINING.minCount))
    .optionsGroup('Documents:')
    .addOption(options.text())
    .addOption(options.label())
    .addOption(answers.multiLabel())
    .addOption(answers.labelSeparator())
    .addOption(answers.regression())
    .addOption(answers.range())
    .addOption(options.valid())
    .addOption(
      new Option('--valid-fraction <share>', 'share held out where there is no --valid; 0 for none')
        .default(CLASSIFIER_TRAINING.validFraction)
        .argParser(fraction),
    )
    .addOption(
      new Option('--labels <count>', 'train on this many labelled documents only, balanced, drawn by --seed').argParser(positiveInteger),
    )
    .optionsGroup('Training:')
    .addOption(options.recipe())
    .addOption(options.epochs(CLASSIFIER_TRAINING.epochs, '6; up to 15 where documents are few'))
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
      new Option('--unfreezing <name>', 'which layers learn when (from scratch: full)')
        .choices(Object.keys(UNFREEZING) as (keyof typeof UNFREEZING)[])
        .default(CLASSIFIER_TRAINING.unfreezing),
    )
    .addOption(new Option('--no-discriminative', options.NO_DISCRIMINATIVE))
    .addOption(options.dropMult(CLASSIFIER_TRAINING.dropMult))
    .addOption(options.labelWeights())
    .addOption(options.weightDecay(CLASSIFIER_TRAINING.weightDecay))
    .addOption(options.clip(CLASSIFIER_TRAINING.clip))
    .addOption(options.earlyStopping())
    .addOption(options.keep())
    .addOption(options.half())
    .optionsGroup('Run:')
    .addOption(options.config())
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
    .action(async (data, _, command) => {
      requireStart(command);
      await (await import('./commands/train.ts')).train(data, command);
    });
}

function requireFrom(command: CommandUnknownOpts): void {
  if (command.getOptionValue('from') === undefined) command.error("error: required option '--from <model>' not specified");
}

/** Refuses a `train` that has not been told what to start from: silently starting from scratch would give a poor model. */
function requireStart(command: CommandUnknownOpts): void {
  if (command.getOptionValue('from') === undefined && command.getOptionValue('fromScratch') !== true)
    command.error("error: name a language model with '--from <model>', or give '--from-scratch'");
}
