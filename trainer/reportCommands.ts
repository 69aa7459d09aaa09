import { type Command, Option } from '@commander-js/extra-typings';

import { DATA_HELP, examples } from './commands/help.ts';
import * as options from './commands/options.ts';

/** Adds `evaluate`, `calibrate` and `report`: what a model is worth, and what a run left to look at. */
export function addReportCommands(program: Command): void {
  program
    .command('evaluate')
    .description('Measure a model: accuracy and figures for each label; for a language model loss and perplexity.')
    .argument('<model>', 'model folder, or a pair of them, or the name of a model that came with ulmfit')
    .argument('<data>', 'labelled documents; a corpus for a language model')
    .addOption(options.text())
    .addOption(options.label())
    .addOption(labelSeparator())
    .addOption(new Option('--report <file>', 'write a page as well: confusion matrix, calibration, most wrong documents'))
    .addOption(options.device())
    .addOption(options.json('the figures'))
    .addHelpText('after', DATA_HELP)
    .addHelpText(
      'after',
      examples([
        ['ulmfit evaluate models/reviews test.csv --report reviews.html', 'a page to look at'],
        ['ulmfit evaluate models/reviews test.csv --json', 'figures for machines'],
        ['ulmfit evaluate wiki-small articles.txt', 'loss, perplexity and unknown words of the language model that came with ulmfit'],
      ]),
    )
    .action(async (model, data, given) => (await import('./commands/evaluate.ts')).evaluate(model, data, given));

  program
    .command('calibrate')
    .description("Make a classifier's probabilities mean what they say, by documents that it was not trained on (temperature scaling).")
    .argument('<model>', 'model folder of a classifier, or a pair of them; its model.json is changed')
    .argument('<data>', 'labelled documents that the classifier was not trained on')
    .addOption(options.text())
    .addOption(options.label())
    .addOption(labelSeparator())
    .addOption(options.device())
    .addOption(options.json('what was measured'))
    .addHelpText('after', DATA_HELP)
    .addHelpText('after', examples([['ulmfit calibrate models/reviews held-out.csv', 'before the model is exported']]))
    .action(async (model, data, given) => (await import('./commands/calibrate.ts')).calibrate(model, data, given));

  program
    .command('report')
    .description("Make a run's page anew, report.html: curves, epochs, settings, held-out documents. Training writes it by itself.")
    .argument('<run>', 'folder of a run: the --out of pretrain, finetune or train')
    .addOption(options.json('where the page is'))
    .addHelpText('after', examples([['ulmfit report runs/reviews', 'prints runs/reviews/report.html']]))
    .action(async (folder, given) => (await import('./commands/report.ts')).report(folder, given));
}

const labelSeparator = () =>
  new Option('--label-separator <text>', 'what stands between the labels of a document, of several (default: ";" in tables)');
