/** A figure that is missing; the text says why. */
export interface Skipped {
  readonly skipped: string;
}

/** What repeated measurements came to. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly all: readonly number[];
}

/** The middle value; the mean of the two middle ones where their number is even. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2;
}

/** The value below which a share of the values lies, between neighbours where the place is between them (numpy's default). */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (place - Math.floor(place)) * (above - below);
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), all: values };
}

/** Ratios of measurements that were made next to each other, so that what disturbs both leaves them alone. */
export function pairedRatios(above: readonly number[], below: readonly number[]): Spread {
  if (above.length !== below.length) throw new Error(`pairedRatios: ${above.length} and ${below.length} measurements`);
  return spread(above.map((value, index) => value / (below[index] ?? Number.NaN)));
}
