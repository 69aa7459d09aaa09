/** The next word of a language model, drawn from its logits. Pure functions of numbers: no model, no state. */
import { UserError } from '../../text/errors.ts';

/** What is written unless told otherwise. fastai's `predict` has the temperature 1; small models read better a little below. */
export const GENERATION = { words: 100, temperature: 0.8 } as const;

/** How a word is drawn. */
export interface Sampling {
  /** Logits are divided by it: below 1 likely words become likelier, above 1 unlikely ones; 0 always takes the likeliest word. */
  readonly temperature: number;
  /** Draw from this many words only, the likeliest (Fan et al. 2018). Undefined: from all. */
  readonly topK?: number | undefined;
  /** Draw from the likeliest words that together have this probability (Holtzman et al. 2020, section 3.1). Undefined: from all. */
  readonly topP?: number | undefined;
}

/** Words that may come next, in the order of their ids. Probabilities sum to 1. */
export interface Candidates {
  readonly ids: Int32Array;
  readonly probabilities: Float64Array;
}

/** @throws UserError where a value cannot be sampled with */
export function checkSampling({ temperature, topK, topP }: Sampling): void {
  if (!(temperature >= 0 && Number.isFinite(temperature))) {
    throw new UserError(`The temperature is ${temperature}; give a number of at least 0, such as 0.8. 0 always takes the likeliest word.`);
  }
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1)) {
    throw new UserError(`top-k is ${topK}; give a whole number of words, at least 1.`);
  }
  if (topP !== undefined && !(topP > 0 && topP <= 1)) {
    throw new UserError(`top-p is ${topP}; give a probability above 0 and up to 1, such as 0.9.`);
  }
}

/**
 * Chooses the next token: first the temperature, then top-k, then top-p of what is left.
 *
 * @param logits one for each token of the vocabulary
 * @param excluded ids that are never chosen; not all of them
 * @param random gives a number in [0, 1); not called at temperature 0
 * @example nextToken(Float32Array.of(0, 3, 1), { temperature: 0 }, new Set(), Math.random); // 1
 */
export function nextToken(logits: Float32Array, sampling: Sampling, excluded: ReadonlySet<number>, random: () => number): number {
  const { temperature, topK, topP } = sampling;
  if (temperature === 0) return likeliestToken(logits, excluded);
  let candidates = candidatesOf(logits, temperature, excluded);
  if (topK !== undefined) candidates = mostLikely(candidates, topK);
  if (topP !== undefined) candidates = nucleus(candidates, topP);
  return draw(candidates, random());
}

/** The id with the greatest logit; of several the lowest. */
export function likeliestToken(logits: Float32Array, excluded: ReadonlySet<number> = new Set()): number {
  let best = -1;
  for (const [id, logit] of logits.entries()) {
    if (!excluded.has(id) && (best === -1 || logit > (logits[best] ?? 0))) best = id;
  }
  return best;
}

/**
 * Softmax at a temperature: probability ∝ exp(logit / temperature).
 *
 * @param temperature above 0
 */
export function candidatesOf(logits: Float32Array, temperature: number, excluded: ReadonlySet<number> = new Set()): Candidates {
  const greatest = logits[likeliestToken(logits, excluded)] ?? 0;
  const ids = Int32Array.from(logits.keys()).filter((id) => !excluded.has(id));
  const weights = new Float64Array(ids.length);
  for (const [index, id] of ids.entries()) weights[index] = Math.exp(((logits[id] ?? 0) - greatest) / temperature);
  return normalized(ids, weights);
}

/** The likeliest candidates, so many or as many as there are; of equally likely ones the lower ids. */
export function mostLikely(candidates: Candidates, count: number): Candidates {
  const { ids, probabilities } = candidates;
  if (count >= ids.length) return candidates;
  const least = probabilities.toSorted()[ids.length - count] ?? 0; // numbers alone are sorted much faster than words by their numbers
  let ties = count - probabilities.filter((probability) => probability > least).length;
  const kept = (index: number): boolean => {
    const probability = probabilities[index] ?? 0;
    return probability > least || (probability === least && ties-- > 0);
  };
  const places = ids.keys().filter(kept).toArray();
  return normalized(
    Int32Array.from(places, (place) => ids[place] ?? 0),
    Float64Array.from(places, (place) => probabilities[place] ?? 0),
  );
}

/**
 * The nucleus: the smallest set of the likeliest candidates whose probabilities sum to at least `share`
 * (Holtzman et al. 2020, section 3.1). It holds one candidate at least.
 *
 * @param share in (0, 1]
 */
export function nucleus(candidates: Candidates, share: number): Candidates {
  if (share >= 1) return candidates; // rounding must not cost the last words
  const descending = candidates.probabilities.toSorted().reverse();
  let sum = 0;
  let count = 0;
  while (count < descending.length && sum < share) sum += descending[count++] ?? 0;
  return mostLikely(candidates, count);
}

/** The candidate in whose stretch of [0, 1) the number falls. */
export function draw({ ids, probabilities }: Candidates, number: number): number {
  let sum = 0;
  for (const [index, probability] of probabilities.entries()) {
    sum += probability;
    if (number < sum) return ids[index] ?? -1;
  }
  // The sum may be a rounding error short of 1.
  return ids[probabilities.findLastIndex((probability) => probability > 0)] ?? -1;
}

function normalized(ids: Int32Array, weights: Float64Array): Candidates {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return { ids, probabilities: weights.map((weight) => weight / sum) };
}
