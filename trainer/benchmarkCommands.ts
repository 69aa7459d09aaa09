import { type Command, Option } from '@commander-js/extra-typings';

import { examples } from './commands/help.ts';
import * as options from './commands/options.ts';
import { nonNegativeInteger, positiveInteger } from './commands/values.ts';
import { PRECISIONS } from './engine/precision.ts';

const PRESET_CHOICES = ['small', 'base'] as const;
const TASK_CHOICES = ['lm', 'classifier'] as const;

/** Adds `benchmark` and its commands to the command table. */
export function addBenchmarkCommands(program: Command): void {
  const benchmark = program
    .command('benchmark')
    .description('Measure speed on this machine.')
    .helpCommand(false)
    .addHelpText('after', examples([['ulmfit benchmark profile', "a first look: where a training step's time goes"]]));

  benchmark
    .command('train')
    .description("Training speed and memory, beside PyTorch's and the rate of this machine's matrix products, in turns within one run.")
    .addOption(new Option('--preset <name>', 'sizes of the model').choices([...PRESET_CHOICES, 'both'] as const).default<'both'>('both'))
    .addOption(new Option('--task <name>', 'what is trained').choices([...TASK_CHOICES, 'both'] as const).default<'both'>('both'))
    .addOption(device())
    .addOption(precision())
    .addOption(repeats(5))
    .addOption(new Option('--steps <count>', 'training steps of a measurement (default: 4 windows, 5 batches)').argParser(positiveInteger))
    .addOption(
      new Option('--vocab <words>', 'vocabulary of the model (default: 15000 for small, 30000 for base)').argParser(positiveInteger),
    )
    .addOption(new Option('--peer <python>', 'a Python with PyTorch and fastai (default: the one of "ulmfit benchmark setup-peer")'))
    .addOption(anyLoad())
    .addOption(options.json('every figure'))
    .addHelpText(
      'after',
      examples([
        ['ulmfit benchmark train --preset small --task lm', 'some minutes, on a machine that does nothing else'],
        ['ulmfit benchmark train --preset base --task lm --vocab 60000 --json', 'with as many words as the paper'],
      ]),
    )
    .action(async (given) => (await import('./commands/benchmark.ts')).benchmarkTrain(given));

  benchmark
    .command('scaling')
    .description("How training speed depends on batch size, hidden size, vocabulary and document length, beside the machine's limit.")
    .addOption(device())
    .addOption(precision())
    .addOption(repeats(3))
    .addOption(new Option('--steps <count>', 'training steps of a measurement').default(2).argParser(positiveInteger))
    .addOption(anyLoad())
    .addOption(new Option('--plot <path>', 'write the charts as <path>.svg and <path>.png'))
    .addOption(options.json('every figure'))
    .addHelpText('after', examples([['ulmfit benchmark scaling --plot scaling', 'scaling.svg and scaling.png']]))
    .action(async (given) => (await import('./commands/benchmark.ts')).benchmarkScaling(given));

  benchmark
    .command('profile')
    .description('Where the time of a training step goes: by part of the step, and by operation of TensorFlow.')
    .addOption(new Option('--preset <name>', 'sizes of the model').choices(PRESET_CHOICES).default<'small'>('small'))
    .addOption(new Option('--task <name>', 'what is trained').choices(TASK_CHOICES).default<'lm'>('lm'))
    .addOption(device())
    .addOption(precision())
    .addOption(repeats(3))
    .addOption(
      new Option('--vocab <words>', 'vocabulary of the model (default: 15000 for small, 30000 for base)').argParser(positiveInteger),
    )
    .addOption(new Option('--top <operations>', 'show this many operations').default(12).argParser(positiveInteger))
    .addOption(options.json('every figure'))
    .addHelpText('after', examples([['ulmfit benchmark profile --preset base', 'a minute or two']]))
    .action(async (given) => (await import('./commands/benchmark.ts')).benchmarkProfile(given));

  benchmark
    .command('tokenize')
    .description("How fast texts become tokens, with one thread and with all, beside fastai's pipeline, in turns within one run.")
    .addOption(new Option('--file <data>', 'a table, JSON Lines, text or a folder (default: generated texts)'))
    .addOption(options.text())
    .addOption(new Option('--documents <count>', 'take so many, evenly spaced').default(10_000).argParser(positiveInteger))
    .addOption(repeats(3))
    .addOption(new Option('--peer <python>', 'a Python with fastai (default: the one of "ulmfit benchmark setup-peer")'))
    .addOption(anyLoad())
    .addOption(options.json('every figure'))
    .addHelpText(
      'after',
      examples([
        ['ulmfit benchmark tokenize', 'some minutes, on a machine that does nothing else'],
        ['ulmfit benchmark tokenize --file reviews.jsonl --documents 2500', 'with your own texts'],
      ]),
    )
    .action(async (given) => (await import('./commands/benchmark.ts')).benchmarkTokenize(given));

  benchmark
    .command('serve')
    .description(
      "Serving speed and memory over HTTP, beside the graph alone and beside fastai's classifier on PyTorch, in turns within one run.",
    )
    .addOption(new Option('--preset <name>', 'sizes of the model').choices([...PRESET_CHOICES, 'both'] as const).default<'both'>('both'))
    .addOption(
      new Option('--precision <name>', "type of the bundle's weights").choices(['fp32', 'int8', 'both'] as const).default<'both'>('both'),
    )
    .addOption(
      new Option('--documents <count>', 'documents of a measurement (default: 320 for small, 128 for base)').argParser(positiveInteger),
    )
    .addOption(new Option('--clients <count>', 'requests at a time').default(64).argParser(positiveInteger))
    .addOption(new Option('--max-batch <documents>', 'documents that the server computes at a time').default(16).argParser(positiveInteger))
    .addOption(
      new Option('--requests <count>', 'short requests over which memory is watched; 0 leaves that out')
        .default(100_000)
        .argParser(nonNegativeInteger),
    )
    .addOption(repeats(3))
    .addOption(new Option('--peer <python>', 'a Python with PyTorch and fastai (default: the one of "ulmfit benchmark setup-peer")'))
    .addOption(anyLoad())
    .addOption(options.json('every figure'))
    .addHelpText(
      'after',
      examples([
        ['ulmfit benchmark serve', 'about 15 minutes, on a machine that does nothing else'],
        ['ulmfit benchmark serve --preset small --precision int8 --requests 0', 'three minutes'],
      ]),
    )
    .action(async (given) => (await import('./commands/benchmark.ts')).benchmarkServe(given));

  benchmark
    .command('edge')
    .description(
      'The Worker in workerd on this machine: processor time, memory, size and start, 8-bit kernel beside onnxruntime-web, in turns.',
    )
    .addOption(repeats(5))
    .addOption(options.json('every figure'))
    .addHelpText('after', examples([['ulmfit benchmark edge', 'some minutes, on a machine that does nothing else']]))
    .action(async (given) => (await import('./commands/benchmark.ts')).benchmarkEdge(given));

  benchmark
    .command('setup-peer')
    .description('Install PyTorch and fastai for comparison, in an environment of their own in the cache.')
    .addOption(options.json('the result'))
    .addHelpText('after', examples([['ulmfit benchmark setup-peer', 'needs Python 3.11 or newer']]))
    .action(async (given) => (await import('./commands/benchmark.ts')).benchmarkSetupPeer(given));

  for (const command of benchmark.commands) {
    command.showHelpAfterError(`Run "ulmfit benchmark ${command.name()} --help" for its options and examples.`);
  }
}

/** A device is named: a comparison is of one and the same for all. */
const device = () => new Option('--device <name>', 'where to compute').choices(['cpu', 'gpu'] as const).default<'cpu'>('cpu');

const precision = () => new Option('--precision <name>', 'type of large matrix products').choices(PRECISIONS).default<'fp32'>('fp32');

const repeats = (usual: number) => new Option('--repeats <count>', 'measurements of each').default(usual).argParser(positiveInteger);

const anyLoad = () => new Option('--any-load', 'measure at once, however busy the machine is: for a first look, not for comparisons');
