import { expect, test } from 'vitest';
import { takeTurns, turnsOf, type Player } from './turns.ts';

test('a repeat is cut into short turns', () => {
  expect(turnsOf('lm', 5)).toEqual([[0, 1], [2, 3], [4]]);
  expect(turnsOf('classifier', 3)).toEqual([[0], [1], [2]]);
});

const rest = async () => {};
/** Other tests run at the same time. */
const ANY_LOAD = { largestOtherLoad: Number.POSITIVE_INFINITY, rest };

/** Takes a tenth of a second for each step, or says so. */
function player(name: string, diary: string[], ticks = () => 0): Player {
  return {
    name,
    async run(steps) {
      diary.push(`${name}${steps.join('')}`);
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
