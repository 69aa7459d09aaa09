import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { turnLength } from './turnLength.ts';

describe('turnLength', () => {
  it('reads whole chunks of documents that have them', () => {
    expect(turnLength([500, 70, 71, 2000], 70)).toBe(70);
  });

  it('reads a short document to its end', () => {
    expect(turnLength([1], 70)).toBe(1);
    expect(turnLength([23], 70)).toBe(23);
  });

  it('pads one short row among long ones', () => {
    expect(turnLength([400, 300, 4, 700], 70)).toBe(70);
  });

  it('cuts one long row among short ones', () => {
    expect(turnLength([400, 10, 10, 10], 70)).toBe(10);
  });

  it('is a length that some row ends at, or a whole chunk, and never costs more per token than padding to the longest', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 32 }),
        fc.integer({ min: 1, max: 100 }),
        (remaining, chunkLength) => {
          const length = turnLength(remaining, chunkLength);
          const ends = remaining.map((tokens) => Math.min(tokens, chunkLength));
          expect(ends).toContain(length);
          const tokensPerStep = (steps: number) => ends.reduce((sum, end) => sum + Math.min(end, steps), 0) / (steps + 3);
          expect(tokensPerStep(length)).toBeGreaterThanOrEqual(tokensPerStep(Math.max(...ends)) - 1e-9);
        },
      ),
    );
  });
});
