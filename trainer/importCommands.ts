import { type Command, Option } from '@commander-js/extra-typings';

import { examples } from './commands/help.ts';
import * as options from './commands/options.ts';

/** Adds `import-fastai` to the command table. */
export function addImportCommands(program: Command): void {
  program
    .command('import-fastai')
    .description("Make a model folder of an AWD-LSTM that fast.ai's library has trained. Nothing in its files is executed.")
    .argument('<weights>', 'a .pth file of fastai 1 or 2, or an .h5 file of fastai 0.7')
    .requiredOption('--vocab <file>', "the model's vocabulary: fastai's itos as a pickle, or a JSON array")
    .requiredOption('--out <folder>', 'model folder to write')
    .addOption(
      new Option('--direction <name>', 'how the model reads a text; the file does not say (default: "forward")').choices([
        'forward',
        'backward',
      ] as const),
    )
    .addOption(
      new Option('--labels <names...>', "a classifier's classes in the order of its outputs (default: those beside the vocabulary)"),
    )
    .addOption(new Option('--multi-label', 'the classifier may give several labels to a text'))
    .addOption(new Option('--data-licence <text>', 'licence of the text it was trained on, for the model card'))
    .addOption(options.json('what was imported'))
    .addHelpText('after', IMPORT_HELP)
    .addHelpText(
      'after',
      examples([
        ['ulmfit import-fastai lstm_fwd.pth --vocab lstm_itos_fwd.pkl --out models/wt103', 'a language model, for finetune and train'],
        ['ulmfit import-fastai lstm_bwd.pth --vocab itos.pkl --direction backward --out models/wt103-backward', 'one that reads backward'],
        ['ulmfit import-fastai reviews.pth --vocab vocab.pkl --out models/reviews --labels negative positive', 'a classifier'],
      ]),
    )
    .action(async (weights, given) => (await import('./commands/importFastai.ts')).importFastaiCommand(weights, given));
}

const IMPORT_HELP = `
Weights: what learn.save(name), learn.save_encoder(name) or
torch.save(learn.model.state_dict(), name) wrote. Vocabulary: what
pickle.dump(learn.dls.vocab, …) wrote, or an itos file of fastai 1 or 0.7.`;
