import { UserError } from '../../text/errors.ts';
import { suggestion } from './suggestion.ts';

/**
 * Ways to a classifier (Howard & Ruder 2018, section 5, "low-shot learning"): without a language model; with one that is fine-tuned on the text of
 * the labelled documents alone; with one that is fine-tuned on all text there is, but for the test part's.
 */
export const WAYS = ['scratch', 'supervised', 'semi-supervised'] as const;
export type Way = (typeof WAYS)[number];

/** What people are told of them. */
export const WAY_NAMES: Readonly<Record<Way, string>> = {
  scratch: 'from scratch',
  supervised: 'ULMFiT, supervised',
  'semi-supervised': 'ULMFiT, semi-supervised',
};

/** @throws UserError for a name that is none of them */
export function waysOf(names: readonly string[] = WAYS): Way[] {
  const unknown = names.find((name) => !WAYS.some((way) => way === name));
  if (unknown !== undefined) {
    throw new UserError(`There is no way "${unknown}" to a classifier.${suggestion(unknown, WAYS)} The ways are: ${WAYS.join(', ')}.`);
  }
  return WAYS.filter((way) => names.includes(way));
}
