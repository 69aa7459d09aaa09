/** How much slower each earlier layer group learns (Howard & Ruder 2018, section 3.2). */
export const DISCRIMINATIVE_FACTOR = 2.6;

/**
 * Discriminative fine-tuning: the last group learns at `rate`, each group before it 2.6 times slower.
 *
 * @returns one rate a group, first to last
 * @example
 * discriminativeRates(0.01, 3); // [0.00148, 0.00385, 0.01]
 */
export function discriminativeRates(rate: number, groups: number, factor = DISCRIMINATIVE_FACTOR): number[] {
  return Array.from({ length: groups }, (_, group) => rate / factor ** (groups - 1 - group));
}
