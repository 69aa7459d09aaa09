import { InvalidArgumentError } from '@commander-js/extra-typings';

/*
 * Values of options, parsed and checked. What they throw, the command line puts behind the flag and the value:
 * "option '--batch <streams>' argument '0' is invalid. It must be a whole number of at least 1."
 */

/** A whole number of at least 1, such as `64`, `60000` or `1e6`. */
export const positiveInteger = wholeNumber(1);

/** A whole number of at least 0. */
export const nonNegativeInteger = wholeNumber(0);

/** A TCP port; 0 stands for any that is free. */
export const port = wholeNumber(0, 65_535);

/** A seed: it fills one 32-bit number. */
export const seed = wholeNumber(0, 2 ** 31 - 1);

/** A number greater than 0. */
export function positiveNumber(value: string): number {
  const number = parseNumber(value);
  if (number > 0) return number;
  throw new InvalidArgumentError('It must be a number greater than 0.');
}

/** A number of at least 0. */
export function nonNegativeNumber(value: string): number {
  const number = parseNumber(value);
  if (number >= 0) return number;
  throw new InvalidArgumentError('It must be a number of at least 0.');
}

/** A share: 0 or more, less than 1. */
export function fraction(value: string): number {
  const number = parseNumber(value);
  if (number >= 0 && number < 1) return number;
  throw new InvalidArgumentError('It must be a number from 0 to less than 1, such as 0.1.');
}

/** Two numbers, the smaller one first, such as `1,5`. */
export function bounds(value: string): [low: number, high: number] {
  const [low = Number.NaN, high = Number.NaN, ...more] = value.split(',').map((part) => parseNumber(part.trim()));
  if (low < high && more.length === 0) return [low, high];
  throw new InvalidArgumentError('It must be two numbers, the smaller one first, such as 1,5.');
}

/** Gathers the values of an option that may be given several times. */
export function collect(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

function wholeNumber(least: number, greatest = Number.MAX_SAFE_INTEGER): (value: string) => number {
  const range = greatest === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${greatest}`;
  return (value) => {
    const number = parseNumber(value);
    if (Number.isSafeInteger(number) && number >= least && number <= greatest) return number;
    throw new InvalidArgumentError(`It must be a whole number ${range}.`);
  };
}

/** Decimal numbers only: no hexadecimal, no empty string, nothing infinite. NaN fails every comparison. */
function parseNumber(value: string): number {
  const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value) ? Number(value) : Number.NaN;
  return Number.isFinite(number) ? number : Number.NaN;
}
