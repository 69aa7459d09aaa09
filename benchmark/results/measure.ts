/**
 * The command line of ours.ts: measures this program on a set that prepare.ts made ready.
 *
 * Usage: npx node benchmark/results/measure.ts runs/results/trec --from wiki-small --labels all,500,100 --seeds 1,2,3 (--help shows all options)
 */
import { Command, Option } from '@commander-js/extra-typings';
import { settleComputation } from '../../trainer/commands/computation.ts';
import * as options from '../../trainer/commands/options.ts';
import { ProgressDisplay, untilInterrupted } from '../../trainer/commands/trainingSession.ts';
import { positiveInteger } from '../../trainer/commands/values.ts';
import { failPlainly } from './failPlainly.ts';
import type { Labels } from './ours.ts';
import { readSettings } from './settings.ts';

function labelCounts(value: string): Labels[] {
  return value.split(',').map((part) => (part.trim() === 'all' ? 'all' : positiveInteger(part.trim())));
}

function seeds(value: string): number[] {
  return value.split(',').map((part) => positiveInteger(part.trim()));
}

const command = new Command('measure')
  .description('Measure this program on a set that benchmark/results/prepare.ts made ready. Finished runs are not repeated.')
  .argument('<folder>', 'what prepare.ts wrote')
  .addOption(new Option('--from <model>', options.LANGUAGE_MODEL).default('wiki-small'))
  .addOption(options.direction())
  .addOption(new Option('--labels <counts>', 'such as all,500,100').default<Labels[]>(['all'], 'all').argParser(labelCounts))
  .addOption(new Option('--seeds <numbers>', 'of few labels also the draw').default([1], '1').argParser(seeds))
  .addOption(new Option('--settings <file>', "what differs from the recipe: see benchmark/results/settings/ (default: the recipe's own)"))
  .addOption(new Option('--scratch', 'without a language model, from random weights'))
  .addOption(new Option('--validate', 'judge on the validation part, to choose settings'))
  .addOption(options.device())
  .addOption(options.precision());

await failPlainly(async () => {
  const [folder] = (await command.parseAsync()).processedArgs;
  const given = command.opts();
  settleComputation(given);
  const { measureSet } = await import('./ours.ts'); // which loads the engine
  const display = new ProgressDisplay('results');
  const line = ['npx', 'node', 'benchmark/results/measure.ts', ...process.argv.slice(2)].join(' ');
  const controls = { onStep: display.step.bind(display), onNote: display.note.bind(display) };
  const settings = await readSettings(given.settings);
  const finished = await untilInterrupted((signal) => measureSet(folder, { ...given, ...controls, settings, signal, command: line }));
  display.done();
  if (finished) return;
  console.error('Stopped; a checkpoint is saved. Run the same command to go on.');
  process.exitCode = 1;
});
