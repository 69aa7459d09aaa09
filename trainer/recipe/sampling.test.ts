import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../text/errors.ts';
import { hostRandom } from '../engine/random.ts';
import {
  candidatesOf,
  checkSampling,
  draw,
  likeliestToken,
  mostLikely,
  nextToken,
  nucleus,
  type Candidates,
  type Sampling,
} from './sampling.ts';

const NONE: ReadonlySet<number> = new Set();
const logitsOf = (...probabilities: number[]) => Float32Array.from(probabilities, Math.log);
const shown = ({ ids, probabilities }: Candidates) => [...ids].map((id, index) => [id, Number(probabilities[index]?.toFixed(5))]);

/** How often each token was drawn, as a share. */
function shares(logits: Float32Array, sampling: Sampling, excluded = NONE, draws = 20_000): number[] {
  const random = hostRandom({ seed: 3, step: 0 }, 'draws');
  const counts = new Array<number>(logits.length).fill(0);
  for (let turn = 0; turn < draws; turn++) {
    const id = nextToken(logits, sampling, excluded, random);
    counts[id] = (counts[id] ?? 0) + 1;
  }
  return counts.map((count) => count / draws);
}

/** Three standard deviations of a share of 20,000 draws are at most 0.011. */
const NEAR = 0.011;
/** How far shares are from those that are wanted; what must never be drawn may not even once. */
function distance(found: readonly number[], wanted: readonly number[]): number {
  const distances = wanted.map((share, id) => (share === 0 && found[id] !== 0 ? Infinity : Math.abs((found[id] ?? Number.NaN) - share)));
  return Math.max(...distances);
}

describe('nextToken', () => {
  const logits = logitsOf(0.1, 0.4, 0.2, 0.3);

  it("draws each word by the model's probability at temperature 1", () => {
    expect(distance(shares(logits, { temperature: 1 }), [0.1, 0.4, 0.2, 0.3])).toBeLessThan(NEAR);
  });

  it('sharpens at a low temperature and flattens at a high one', () => {
    // p ∝ exp(logit / T): at T = 0.5 the squares, at T = 2 the square roots.
    expect(distance(shares(logits, { temperature: 0.5 }), [0.01 / 0.3, 0.16 / 0.3, 0.04 / 0.3, 0.09 / 0.3])).toBeLessThan(NEAR);
    const roots = [0.1, 0.4, 0.2, 0.3].map(Math.sqrt);
    const sum = roots.reduce((total, root) => total + root, 0);
    expect(
      distance(
        shares(logits, { temperature: 2 }),
        roots.map((root) => root / sum),
      ),
    ).toBeLessThan(NEAR);
  });

  it('always takes the likeliest word at temperature 0, and draws nothing', () => {
    const refuse = () => {
      throw new Error('drawn');
    };
    expect(nextToken(logits, { temperature: 0, topK: 3, topP: 0.9 }, NONE, refuse)).toBe(1);
    expect(nextToken(logits, { temperature: 0 }, new Set([1]), refuse)).toBe(3);
  });

  it('draws from the likeliest words alone, by their share of what is left', () => {
    expect(distance(shares(logits, { temperature: 1, topK: 2 }), [0, 4 / 7, 0, 3 / 7])).toBeLessThan(NEAR);
    expect(distance(shares(logits, { temperature: 1, topP: 0.75 }), [0, 4 / 9, 2 / 9, 3 / 9])).toBeLessThan(NEAR);
  });

  it('takes top-p of what top-k and the temperature have left', () => {
    // Of the squares .16, .09, .04 (sum .29), the first has .55 and the first two .86.
    expect(distance(shares(logits, { temperature: 0.5, topK: 3, topP: 0.8 }), [0, 0.16 / 0.25, 0, 0.09 / 0.25])).toBeLessThan(NEAR);
  });

  it('never draws what is excluded', () => {
    expect(distance(shares(logits, { temperature: 1 }, new Set([1, 2])), [0.25, 0, 0, 0.75])).toBeLessThan(NEAR);
    expect(distance(shares(logits, { temperature: 1, topK: 1 }, new Set([1])), [0, 0, 0, 1])).toBeLessThan(NEAR);
  });

  it('gives the same words for the same random numbers', () => {
    const run = (seed: number) => {
      const random = hostRandom({ seed, step: 0 }, 'draws');
      return Array.from({ length: 40 }, () => nextToken(logits, { temperature: 1 }, NONE, random));
    };
    expect(run(1)).toEqual(run(1));
    expect(run(2)).not.toEqual(run(1));
  });

  it('bears logits of any size', () => {
    expect(nextToken(Float32Array.of(-3e38, 3e38, 0), { temperature: 0.01 }, NONE, () => 0.999)).toBe(1);
    expect(nextToken(Float32Array.of(-3e38, -3e38), { temperature: 1 }, NONE, () => 0.75)).toBe(1);
  });
});

describe('candidatesOf', () => {
  it('is the softmax, in the order of the ids', () => {
    expect(shown(candidatesOf(logitsOf(0.2, 0.1, 0.5, 0.2), 1))).toEqual([
      [0, 0.2],
      [1, 0.1],
      [2, 0.5],
      [3, 0.2],
    ]);
  });

  it('leaves excluded words out before it shares out the probability', () => {
    expect(shown(candidatesOf(logitsOf(0.5, 0.1, 0.4), 1, new Set([0])))).toEqual([
      [1, 0.2],
      [2, 0.8],
    ]);
  });
});

describe('top-k', () => {
  const candidates = candidatesOf(logitsOf(0.2, 0.5, 0.3), 1);

  it.each([
    [1, [[1, 1]]],
    [
      2,
      [
        [1, 0.625],
        [2, 0.375],
      ],
    ],
  ])('of %i', (count, wanted) => {
    expect(shown(mostLikely(candidates, count))).toEqual(wanted);
  });

  it('takes the lower ids of equally likely words', () => {
    const ties = candidatesOf(Float32Array.of(0, 1, 0, 1, 1, 0), 1);
    expect([...mostLikely(ties, 2).ids]).toEqual([1, 3]);
    expect([...mostLikely(ties, 4).ids]).toEqual([0, 1, 3, 4]);
  });

  it('of as many words as there are or more is everything', () => {
    expect(shown(mostLikely(candidates, 3))).toEqual(shown(candidates));
    expect(shown(mostLikely(candidates, 1000))).toEqual(shown(candidates));
  });
});

describe('nucleus', () => {
  const candidates = candidatesOf(logitsOf(0.25, 0.125, 0.5, 0.125), 1);
  const kept = (share: number) => [...nucleus(candidates, share).ids];

  it('is the smallest set that has the share', () => {
    expect(kept(0.6)).toEqual([0, 2]);
    expect(kept(0.76)).toEqual([0, 1, 2]);
    expect(shown(nucleus(candidates, 0.6))).toEqual([
      [0, 0.33333],
      [2, 0.66667],
    ]);
  });

  it('does not take another word where the share is met exactly', () => {
    const exact: Candidates = { ids: Int32Array.of(0, 1, 2), probabilities: Float64Array.of(0.5, 0.25, 0.25) };
    expect([...nucleus(exact, 0.75).ids]).toEqual([0, 1]);
    expect([...nucleus(exact, 0.5).ids]).toEqual([0]);
  });

  it('holds the likeliest word however small the share, and every word for a share of 1', () => {
    expect(kept(1e-9)).toEqual([2]);
    expect(kept(1)).toEqual([0, 1, 2, 3]);
  });

  it('has at least the share, and less than the share without its last word', () => {
    const model = fc.float32Array({ minLength: 1, maxLength: 40, noNaN: true, min: -20, max: 20 });
    fc.assert(
      fc.property(model, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (logits, share) => {
        const all = candidatesOf(logits, 1);
        const count = nucleus(all, share).ids.length;
        const descending = all.probabilities.toSorted().reverse();
        const mass = (words: number) => descending.slice(0, words).reduce((sum, probability) => sum + probability, 0);
        expect(mass(count)).toBeGreaterThanOrEqual(Math.min(share, mass(all.ids.length)));
        expect(mass(count - 1)).toBeLessThan(share);
      }),
    );
  });
});

describe('draw', () => {
  const candidates: Candidates = { ids: Int32Array.of(7, 3, 5), probabilities: Float64Array.of(0.5, 0.5, 0) };

  it.each([
    [0, 7],
    [0.4999, 7],
    [0.5, 3],
    [0.9999999, 3],
  ])('%d falls to %i', (number, id) => {
    expect(draw(candidates, number)).toBe(id);
  });

  it('takes a possible word where rounding leaves the sum below 1', () => {
    const short: Candidates = { ids: Int32Array.of(1, 2, 3), probabilities: Float64Array.of(0.5, 0.4999999, 0) };
    expect(draw(short, 0.99999999)).toBe(2);
  });
});

it('likeliestToken takes the lower id of two', () => {
  expect(likeliestToken(Float32Array.of(1, 5, 5, 2))).toBe(1);
  expect(likeliestToken(Float32Array.of(-3, -2))).toBe(1);
});

it.each([
  [{ temperature: -1 }, 'The temperature is -1; give a number of at least 0'],
  [{ temperature: Number.NaN }, 'The temperature is NaN'],
  [{ temperature: Number.POSITIVE_INFINITY }, 'The temperature is Infinity'],
  [{ temperature: 1, topK: 0 }, 'top-k is 0; give a whole number of words, at least 1.'],
  [{ temperature: 1, topK: 1.5 }, 'top-k is 1.5'],
  [{ temperature: 1, topP: 0 }, 'top-p is 0; give a probability above 0 and up to 1'],
  [{ temperature: 1, topP: 1.01 }, 'top-p is 1.01'],
  [{ temperature: 1, topP: Number.NaN }, 'top-p is NaN'],
])('checkSampling refuses %o', (sampling, message) => {
  expect(() => checkSampling(sampling)).toThrow(UserError);
  expect(() => checkSampling(sampling)).toThrow(message);
});

it('checkSampling takes what can be sampled with', () => {
  for (const sampling of [{ temperature: 0 }, { temperature: 2, topK: 1, topP: 1 }]) expect(() => checkSampling(sampling)).not.toThrow();
});
