import { tokenizeFields } from '../../text/tokenizer.ts';
import type { Vocabulary } from '../../text/vocabulary.ts';

/**
 * Token ids of a document, given as its text columns, in the order in which a model of that direction reads them: a backward model
 * reads every document from its last token to its first, as its language model did.
 */
export function encodeDocument(fields: readonly string[], vocabulary: Vocabulary, direction: 'forward' | 'backward'): Int32Array {
  const ids = vocabulary.encode(tokenizeFields(fields));
  return direction === 'backward' ? ids.reverse() : ids;
}
