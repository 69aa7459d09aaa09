import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { orderOf, takeTurns, turnsOf, type Player } from './turns.ts';

test('a repeat is cut into short turns', () => {
  expect(turnsOf('lm', 5)).toEqual([[0, 1], [2, 3], [4]]);
  expect(turnsOf('classifier', 3)).toEqual([[0], [1], [2]]);
});

const rest = async () => {};
/** Other tests run at the same time. */
const ANY_LOAD = { largestOtherLoad: Number.POSITIVE_INFINITY, rest };

/** Says that it takes a tenth of a second for each step. */
function player(name: string, diary: string[], ticks = () => 0): Player {
  return {
    name,
    async run(steps) {
      diary.push(`${name}${steps.join('')}`);
      await setTimeout(1);
      return 0.1 * steps.length;
    },
    processorTicks: ticks,
  };
}

test('players take turns after a first one that does not count', async () => {
  const diary: string[] = [];
  const { seconds } = await takeTurns([player('a', diary), player('b', diary)], { repeats: 1, turns: [[0, 1], [2]], ...ANY_LOAD });
  expect(diary).toEqual(['a2', 'b2', 'a01', 'b01', 'a2', 'b2']);
  for (const all of seconds.values()) expect(all).toEqual([expect.closeTo(0.3)]);
});

test.each([1, 2, 3, 4, 5, 6, 7])('of %i players each is equally often at every place, and behind every other', (players) => {
  const orders = Array.from({ length: 2 * players }, (_, repeat) => orderOf(players, repeat));
  const everyone = [...orders.keys()].slice(0, players);
  for (const order of orders) expect(order.toSorted((one, other) => one - other)).toEqual(everyone);
  // At every place already in the first half, and never twice there before.
  for (const place of everyone) expect(new Set(orders.slice(0, players).map((order) => order[place])).size).toBe(players);
  const behind = new Map<string, number>();
  for (const order of orders) {
    for (const pair of order.slice(1).map((player, place) => `${order[place]} ${player}`)) behind.set(pair, (behind.get(pair) ?? 0) + 1);
  }
  expect(behind.size).toBe(players * (players - 1));
  for (const times of behind.values()) expect(times).toBe(2);
});

test('another player begins in each repeat, and the outcome says who was when', async () => {
  const diary: string[] = [];
  const players = ['a', 'b', 'c'].map((name) => player(name, diary));
  const { orders } = await takeTurns(players, { repeats: 3, turns: [[0]], ...ANY_LOAD });
  expect(orders).toEqual([
    ['a', 'c', 'b'],
    ['b', 'a', 'c'],
    ['c', 'b', 'a'],
  ]);
  expect(diary.slice(3)).toEqual(orders.flat().map((name) => `${name}0`));
});

test('a repeat that was disturbed is measured again in its own order', async () => {
  // In the second repeat the processor time of the one who begins it goes backwards, as if others had been busy.
  let calls = 0;
  const disturbed = player('b', [], () => (++calls === 4 ? -1e9 : 0));
  const players = [player('a', []), disturbed, player('c', [])];
  // More processors than a machine has: what else it does disturbs nothing.
  const { orders, discarded } = await takeTurns(players, { repeats: 3, turns: [[0]], rest, largestOtherLoad: 1e5 });
  expect(discarded).toBe(1);
  expect(orders.map(([first]) => first)).toEqual(['a', 'c', 'b']);
});

test('a repeat that others disturb is measured again, but not forever', async () => {
  // A player whose processor time goes backwards looks as if others had been busy: 1,000 ticks are 10 seconds.
  let ticks = 0;
  const loads: number[] = [];
  const outcome = await takeTurns([player('a', [], () => (ticks -= 1000))], {
    repeats: 2,
    turns: [[0]],
    rest,
    onRepeat: (_, { otherLoad }) => loads.push(otherLoad),
  });
  expect(loads).toHaveLength(6);
  expect(outcome).toMatchObject({ otherLoad: loads, discarded: 0 });
  expect(outcome.seconds.get('a')).toHaveLength(6);
});
