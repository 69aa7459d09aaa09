import { type Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';

import { examples } from './commands/help.ts';
import * as options from './commands/options.ts';
import { nonNegativeNumber, positiveInteger, positiveNumber } from './commands/values.ts';
import { GENERATION } from './recipe/sampling.ts';

/** Adds `generate` to the command table. */
export function addGenerateCommands(program: Command): void {
  program
    .command('generate')
    .description('Let a language model write text: the quickest look at what it has learned.')
    .argument('<model>', 'model folder of a language model')
    .addOption(new Option('--prompt <text>', 'how the text begins; how it ends, for a backward model').default('', 'none'))
    .addOption(
      new Option('--words <count>', 'words and punctuation marks to write, should the text not end before')
        .default(GENERATION.words)
        .argParser(positiveInteger),
    )
    .addOption(
      new Option('--temperature <number>', 'below 1 plays safe, above 1 takes risks, 0 always takes the likeliest word')
        .default(GENERATION.temperature)
        .argParser(nonNegativeNumber),
    )
    .addOption(new Option('--top-k <words>', 'draw each word from this many, the likeliest (default: all)').argParser(positiveInteger))
    .addOption(
      new Option('--top-p <probability>', 'draw each word from the likeliest that together have this probability (default: 1)').argParser(
        shareAboveZero,
      ),
    )
    .addOption(new Option('--count <texts>', 'texts to write').default(1).argParser(positiveInteger))
    .addOption(new Option('--unknown', 'allow xxunk, where the model has no word for what it would write'))
    .addOption(options.device())
    .addOption(options.seedOption())
    .addOption(options.json('one object a text'))
    .addHelpText(
      'after',
      examples([
        ['ulmfit generate models/wiki-small --prompt "The river"', 'a text, printed word by word'],
        ['ulmfit generate models/wiki-small --prompt "The river" --temperature 0.7 --top-p 0.9 --count 3 --seed 7', 'three to choose from'],
      ]),
    )
    .action(async (model, given) => (await import('./commands/generate.ts')).generateTexts(model, given));
}

/** A share: more than 0, up to 1. */
function shareAboveZero(value: string): number {
  const number = positiveNumber(value);
  if (number <= 1) return number;
  throw new InvalidArgumentError('It must be a number above 0 and up to 1, such as 0.9.');
}
