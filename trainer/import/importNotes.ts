import { basename } from 'node:path';
import type { ModelDescription } from '../checkpoint/modelFolder.ts';
import type { FastaiWeights } from './fastaiWeights.ts';
import type { VocabularyPlan } from './fastaiVocabulary.ts';

/**
 * What a user ought to know of an imported model, in sentences: where it is not quite the model of the file, or may not be meant so.
 *
 * @param direction as the user gave it, if at all
 */
export function notesOf(
  path: string,
  { holds, decoder }: FastaiWeights,
  { renamed, missing, filling }: VocabularyPlan,
  direction: ModelDescription['direction'] | undefined,
): string[] {
  const notes: string[] = [];
  if (direction === undefined && /bwd|backward/i.test(basename(path))) {
    notes.push(
      'The name of the file says that the model reads backward, and it was imported as a forward one. If it does, import it again with --direction backward.',
    );
  }
  if (holds === 'encoder') {
    notes.push(
      "The file holds an encoder without its decoder. The decoder's bias starts at zero, so fine-tune before you measure perplexity; a classifier does not need it.",
    );
  } else if (holds === 'languageModel' && decoder.bias === undefined) {
    notes.push('The decoder of the file has no bias, as in fastai 0.7. Here it is zero, which gives the same probabilities.');
  }
  if (renamed.length > 0) notes.push(`Tokens renamed: ${renamed.map(([from, to]) => `${from} is ${to}`).join(', ')}.`);
  if (missing.length > 0) {
    notes.push(`The model does not know ${missing.join(', ')}; they get the mean of all words and are learned in fine-tuning.`);
  }
  if (filling > 0) notes.push(`${filling} rows were added to fill the vocabulary up to a multiple of 8.`);
  if (holds === 'classifier') {
    notes.push(
      'fastai pools the last 1,440 tokens of a long document by default, this classifier all of them: longer documents may be answered differently.',
    );
  }
  return notes;
}
