import { figure } from './modelCard.ts';
import { percent } from './tables.ts';

/**
 * A name of a figure or setting as a person would write it.
 *
 * @example
 * inWords('validationLoss'); // 'validation loss'
 * inWords('macroF1'); // 'macro F1'
 */
export function inWords(name: string): string {
  return name.replaceAll(/(?<=[a-z0-9])[A-Z]\d*/g, (letter) => ` ${letter.length > 1 ? letter : letter.toLowerCase()}`);
}

/** Figures that are shares of 1. */
const SHARES = new Set(['accuracy', 'error', 'microF1', 'macroF1', 'exactMatch', 'calibrationError', 'unknownRate']);

/**
 * A figure as a person reads it: shares in percent, whole numbers grouped, others with four digits after the point, a dash for none.
 *
 * @example
 * shownFigure('accuracy', 0.934); // '93.4 %'
 */
export function shownFigure(name: string, value: unknown): string {
  if (value === undefined || value === null) return '–';
  if (typeof value === 'string') return value;
  if (typeof value !== 'number') return JSON.stringify(value);
  return SHARES.has(name) ? percent(value) : figure(value);
}
