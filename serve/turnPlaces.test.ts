import { describe, expect, it } from 'vitest';

import { turnLength } from './turnLength.ts';
import { TurnPlaces, type Waiting } from './turnPlaces.ts';

const CHUNK = 10;
const short = (tokens = 30): Waiting => ({ ids: new Int32Array(tokens), position: 0 });
const long = (): Waiting => ({ ids: new Int32Array(10_000), position: 0 });
const many = (count: number, make: () => Waiting) => Array.from({ length: count }, make);

describe('TurnPlaces', () => {
  it('follows the line where all documents are of one kind', () => {
    const places = new TurnPlaces();
    for (const line of [many(20, short), many(20, long)]) expect(places.choose(line, 16, CHUNK)).toEqual(line.slice(0, 16));
    expect(places.choose([], 16, CHUNK)).toEqual([]);
  });

  it('gives long documents one place in eight while there are short ones', () => {
    const [first, second, third] = many(3, long);
    const line = [first, second, third, ...many(20, short)].filter((document) => document !== undefined);
    const turn = new TurnPlaces().choose(line, 16, CHUNK);
    expect(turn).toHaveLength(16);
    expect(turn.filter((document) => document.ids.length === 10_000)).toEqual([first, second]);
    const few = new TurnPlaces().choose([...many(9, long), short()], 16, CHUNK);
    expect(few.map(({ ids }) => ids.length)).toEqual([30, 10_000, 10_000]);
  });

  it.each([1, 2, 3, 4, 7, 8, 16, 33])('gives them as much over many turns of up to %i documents', (maxBatch) => {
    const places = new TurnPlaces();
    const turns = 80;
    let taken = 0;
    for (let turn = 0; turn < turns; turn++) {
      const chosen = places.choose([...many(40, long), ...many(40, short)], maxBatch, CHUNK);
      expect(chosen).toHaveLength(maxBatch);
      taken += chosen.filter(({ ids }) => ids.length === 10_000).length;
    }
    expect(Math.abs(taken - (turns * maxBatch) / 8)).toBeLessThanOrEqual(1);
  });

  it('takes a long document for a short one near its end', () => {
    const nearEnd = { ids: new Int32Array(10_000), position: 9_950 };
    const [other = short()] = many(1, long);
    expect(new TurnPlaces().choose([other, nearEnd], 8, CHUNK)).toEqual([nearEnd, other]);
  });
});

/** Milliseconds of a graph call, by rows and steps: what turnLength.ts states for one row and for 16, and a line between them. */
const callTime = (rows: number, steps: number) => 1 + steps * (0.112 + 0.048 * rows);

/**
 * The time within which 95 % of the short documents are answered, when so many clients of each kind send one document after the other for a
 * minute: counted by the costs above, so that it is the same everywhere.
 */
function shortWithin(clients: { readonly short: number; readonly long: number }): number {
  const chunkLength = 70;
  const places = new TurnPlaces();
  const line = new Set<Waiting & { position: number; readonly arrived: number }>();
  const times: number[] = [];
  let documents = 0;
  let now = 0;
  const arrive = (isLong: boolean) => {
    documents += 1;
    line.add({ ids: new Int32Array(isLong ? 13_000 : 40 + ((documents * 37) % 61)), position: 0, arrived: now });
  };
  for (let client = 0; client < clients.short; client++) arrive(false);
  for (let client = 0; client < clients.long; client++) arrive(true);
  while (now < 60_000) {
    const turn = places.choose(line, 16, chunkLength);
    const steps = turnLength(
      turn.map(({ ids, position }) => ids.length - position),
      chunkLength,
    );
    now += callTime(turn.length, steps);
    for (const document of turn) {
      const isLong = document.ids.length > 100;
      const entry = [...line].find((other) => other === document);
      if (entry === undefined) throw new Error('Only documents of the line have places.');
      entry.position += Math.min(steps, entry.ids.length - entry.position);
      line.delete(entry);
      if (entry.position < entry.ids.length) line.add(entry);
      else {
        if (!isLong) times.push(now - entry.arrived);
        arrive(isLong);
      }
    }
  }
  return times.toSorted((one, other) => one - other)[Math.floor(times.length * 0.95)] ?? Number.NaN;
}

it.each([2, 4, 8, 16])('answers %i clients of short documents within twice their time alone, however many long ones there are', (short) => {
  const alone = shortWithin({ short, long: 0 });
  for (const long of [1, 4, 32]) expect(shortWithin({ short, long }) / alone).toBeLessThan(2);
});
