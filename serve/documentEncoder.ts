import type { BundleMember, Direction } from '../export/bundle.ts';
import { UserError } from '../text/errors.ts';
import { tokenize } from '../text/tokenizer.ts';
import { Vocabulary } from '../text/vocabulary.ts';
import type { LoadedMember } from './classifierRuntime.ts';

/** How long tokenizing the texts of one request may keep the thread from graph calls and other requests. */
const BUSY_MILLISECONDS = 10;

/** A text as the models of a bundle read it: the ids for each, in the bundle's order. */
export type EncodedDocument = readonly Int32Array[];

/** Turns texts into the ids of a bundle's models, in this thread or in another one. */
export interface DocumentEncoder {
  /** @throws the signal's reason when it is aborted. */
  encode(texts: readonly string[], signal?: AbortSignal): Promise<EncodedDocument[]>;
}

/** How one model of a bundle reads: its words, and from which end. */
export interface Reading {
  readonly direction: Direction;
  readonly vocabulary: Vocabulary;
}

/**
 * How the models of a bundle read. Models that share a vocabulary share its look-up table.
 *
 * @throws UserError when a vocabulary does not fit its model.
 */
export function readingsOf(members: readonly Pick<LoadedMember, 'description' | 'vocabulary'>[]): Reading[] {
  const known = new Map<readonly string[], Vocabulary>();
  return members.map(({ description, vocabulary: tokens }) => {
    requireTokens(description, tokens);
    const vocabulary = known.get(tokens) ?? Vocabulary.fromTokens(tokens);
    known.set(tokens, vocabulary);
    return { direction: description.direction, vocabulary };
  });
}

/** The ids of a document's tokens for each model; a backward one is given them from the last to the first. */
export function encodeTokens(tokens: readonly string[], readings: readonly Reading[]): EncodedDocument {
  return readings.map(({ direction, vocabulary }) => {
    const ids = vocabulary.encode(tokens);
    return direction === 'backward' ? ids.reverse() : ids;
  });
}

/** Encodes in the thread that asks, which has other work in between whenever a text is done and its time is up. */
export class LocalEncoder implements DocumentEncoder {
  readonly #readings: readonly Reading[];

  constructor(readings: readonly Reading[]) {
    this.#readings = readings;
  }

  async encode(texts: readonly string[], signal?: AbortSignal): Promise<EncodedDocument[]> {
    const documents: EncodedDocument[] = [];
    let busySince = performance.now();
    for (const text of texts) {
      if (performance.now() - busySince > BUSY_MILLISECONDS) {
        await eventLoopTurn();
        busySince = performance.now();
      }
      signal?.throwIfAborted();
      documents.push(encodeTokens(tokenize(text), this.#readings));
    }
    return documents;
  }
}

function requireTokens({ sizes, direction }: BundleMember, tokens: readonly string[]): void {
  if (tokens.length === sizes.vocabulary) return;
  throw new UserError(`The vocabulary has ${tokens.length} tokens, the ${direction} model ${sizes.vocabulary}. Export the model again.`);
}

function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
