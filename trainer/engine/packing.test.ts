import { describe, expect, it } from 'vitest';
import { Packing } from './packing.ts';

describe('Packing', () => {
  // a1 b1 c1 | a2 b2 | a3; d is empty.
  const packing = new Packing([3, 2, 1, 0]);

  it('counts the rows at work at each step, and the tokens', () => {
    expect([...packing.rows]).toEqual([3, 2, 1]);
    expect(packing).toMatchObject({ tokens: 6, time: 3, batch: 4, isRectangle: false });
  });

  it('lays tokens out step by step, the rows of a step side by side', () => {
    expect([...packing.pack((row, t) => 10 * (t + 1) + row)]).toEqual([10, 11, 12, 20, 21, 30]);
  });

  it('finds the state before each token: that which came in, and then that of the token before', () => {
    // 0 to 3 are the states that came in; a1 is 4, b1 5, c1 6, a2 7, b2 8, a3 9.
    expect([...packing.previous()]).toEqual([0, 1, 2, 4, 5, 7]);
  });

  it('finds the state after the last token of each row; that of an empty one is the one that came in', () => {
    expect([...packing.ends()]).toEqual([9, 8, 6, 3]);
  });

  it('packs one row alone', () => {
    const alone = new Packing([3]);
    expect([...alone.rows]).toEqual([1, 1, 1]);
    expect([...alone.previous()]).toEqual([0, 1, 2]);
    expect([...alone.ends()]).toEqual([3]);
    expect(alone.isRectangle).toBe(true);
  });

  it('packs rows without a token', () => {
    const empty = new Packing([0, 0]);
    expect(empty).toMatchObject({ tokens: 0, time: 0, batch: 2, isRectangle: false });
    expect([...empty.previous()]).toEqual([]);
    expect([...empty.ends()]).toEqual([0, 1]);
  });

  it('makes a rectangle of rows of one length, in which the state before a token lies a batch before that after it', () => {
    const rectangle = Packing.rectangle(4, 3);
    expect([...rectangle.rows]).toEqual([3, 3, 3, 3]);
    expect(rectangle).toMatchObject({ tokens: 12, time: 4, batch: 3, isRectangle: true });
    expect([...rectangle.previous()]).toEqual([...Array(12).keys()]);
    expect([...rectangle.ends()]).toEqual([12, 13, 14]);
  });

  it('is no rectangle where only the last row is shorter, or the last step has fewer rows', () => {
    expect(new Packing([2, 2, 1]).isRectangle).toBe(false);
    expect(new Packing([2, 0]).isRectangle).toBe(false);
    expect(new Packing([2, 2]).isRectangle).toBe(true);
  });

  it('refuses rows that are not sorted by length', () => {
    expect(() => new Packing([1, 2])).toThrow('not sorted by length');
    expect(() => new Packing([3, 0, 1])).toThrow('not sorted by length');
  });
});
