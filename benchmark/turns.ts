import { setTimeout } from 'node:timers/promises';
import { busyTicks, TICKS_A_SECOND } from './processorTime.ts';
import type { TaskName } from './workload.ts';

/** Steps that a contender does before it is the next one's turn. Short, so that what disturbs the machine disturbs all of them. */
const STEPS_A_TURN: Readonly<Record<TaskName, number>> = { lm: 2, classifier: 1 };

/** From how many processors kept busy by others on a repeat is not to be trusted. */
export const LARGEST_OTHER_LOAD = 0.2;

/** Repeats are measured at most so many times as often as was asked for. */
const MOST_TRIES = 3;

/** How long the processors must be idle before a repeat begins, and how many times that is looked for. */
const SAMPLE_MILLISECONDS = 500;
const MOST_SAMPLES = 120;

/** What takes its turn. */
export interface Player {
  readonly name: string;
  /** Does steps; gives the seconds that they took. */
  run(steps: readonly number[]): Promise<number>;
  /** Processor time of all its threads and processes so far, in clock ticks. */
  processorTicks(): number;
}

export interface TurnsOptions {
  readonly repeats: number;
  /** Turns of a repeat, each the numbers of its steps. */
  readonly turns: readonly (readonly number[])[];
  /** Called after each repeat, counted from 1. */
  readonly onRepeat?: (number: number, repeat: Repeat) => void;
  /** A repeat with more {@link Repeat.otherLoad} than this is measured again; default {@link LARGEST_OTHER_LOAD}, Infinity takes any. */
  readonly largestOtherLoad?: number;
  /** Called before each repeat; by default it waits until nobody uses the processors, but at most a minute. */
  readonly rest?: () => Promise<void>;
  /** Milliseconds before each turn, for the threads of the player before, some of which spin for a while; none unless told. */
  readonly pause?: number;
}

/** One measurement of each player. */
export interface Repeat {
  /** The players' names in the order in which they had their turns. */
  readonly order: readonly string[];
  /** By player. */
  readonly seconds: ReadonlyMap<string, number>;
  /**
   * Processors that something else than the player whose turn it was kept busy, on average: players that do not wait quietly, other
   * programs, other virtual machines. It must be near 0: programs whose threads wait for each other, like PyTorch, are slowed out of proportion.
   */
  readonly otherLoad: number;
}

export interface TurnsOutcome {
  /** See {@link Repeat.order}; one a repeat. */
  readonly orders: readonly Repeat['order'][];
  /** Seconds by player, one number a repeat. */
  readonly seconds: ReadonlyMap<string, readonly number[]>;
  /** See {@link Repeat.otherLoad}; one number a repeat. */
  readonly otherLoad: readonly number[];
  /** Repeats that were measured again because others had disturbed them. */
  readonly discarded: number;
}

/** Options of whoever measures at once, however busy the machine is. */
export const ANY_LOAD: Pick<TurnsOptions, 'largestOtherLoad' | 'rest'> = {
  largestOtherLoad: Number.POSITIVE_INFINITY,
  rest: async () => {},
};

/** Cuts the steps of a repeat into turns. */
export function turnsOf(task: TaskName, steps: number): number[][] {
  const size = STEPS_A_TURN[task];
  return Array.from({ length: Math.ceil(steps / size) }, (_, turn) =>
    Array.from({ length: Math.min(size, steps - turn * size) }, (_unused, index) => turn * size + index),
  );
}

/**
 * The order of the players in a repeat, as places of the first: a row of Williams' design (J. Aust. J. Sci. Res. A 2, 1949, p. 149). In as
 * many repeats as there are players each of them is once at every place, so that none is always the one after the rest; and in as many again
 * each follows every other equally often (at once where their number is even), so that none always inherits what the same one left behind.
 */
export function orderOf(players: number, repeat: number): number[] {
  // 0, n − 1, 1, n − 2, …: every distance between neighbours is there once.
  const row = Array.from({ length: players }, (_, place) => (place % 2 === 0 ? place / 2 : players - (place + 1) / 2));
  const shifted = row.map((player) => (player + repeat) % players);
  return Math.floor(repeat / players) % 2 === 0 ? shifted : shifted.toReversed();
}

/**
 * Runs players in turns, never two at a time: A B C A B C …, in another order in each repeat, after a turn of each that warms up and is not
 * counted. A repeat that others have disturbed is measured again, in its order, as long as there is hope: where the machine does not come to
 * rest, all repeats count.
 */
export async function takeTurns(players: readonly Player[], options: TurnsOptions): Promise<TurnsOutcome> {
  const { repeats, turns, onRepeat, largestOtherLoad = LARGEST_OTHER_LOAD, rest = waitForQuiet, pause = 0 } = options;
  const isQuiet = ({ otherLoad }: Repeat) => otherLoad <= largestOtherLoad;
  for (const player of players) await player.run(turns.at(-1) ?? []);
  const due = Array.from({ length: repeats }, (_, repeat) => orderOf(players.length, repeat).flatMap((place) => players[place] ?? []));
  const all: Repeat[] = [];
  for (const order of due) {
    await rest();
    const repeat = await takeTurnsOnce(order, turns, pause);
    all.push(repeat);
    onRepeat?.(all.length, repeat);
    if (!isQuiet(repeat) && due.length < MOST_TRIES * repeats) due.push(order);
  }
  const quiet = all.filter(isQuiet);
  const counted = quiet.length < repeats ? all : quiet;
  return {
    orders: counted.map(({ order }) => order),
    seconds: new Map(players.map(({ name }) => [name, counted.map(({ seconds }) => seconds.get(name) ?? Number.NaN)])),
    otherLoad: counted.map(({ otherLoad }) => otherLoad),
    discarded: all.length - counted.length,
  };
}

async function takeTurnsOnce(players: readonly Player[], turns: TurnsOptions['turns'], pause: number): Promise<Repeat> {
  const seconds = new Map<string, number>();
  let others = 0;
  let elapsed = 0;
  for (const steps of turns) {
    for (const player of players) {
      if (pause > 0) await setTimeout(pause);
      const before = busyTicks() - player.processorTicks();
      const start = performance.now();
      const taken = await player.run(steps);
      // All of the turn: what a player does before its time counts, such as starting a process, is a part of it.
      elapsed += (performance.now() - start) / 1000;
      others += busyTicks() - player.processorTicks() - before;
      seconds.set(player.name, (seconds.get(player.name) ?? 0) + taken);
    }
  }
  return { order: players.map(({ name }) => name), seconds, otherLoad: Math.max(0, others / TICKS_A_SECOND / elapsed) };
}

async function waitForQuiet(): Promise<void> {
  for (let sample = 0; sample < MOST_SAMPLES; sample++) {
    const before = busyTicks();
    await setTimeout(SAMPLE_MILLISECONDS);
    const load = (busyTicks() - before) / TICKS_A_SECOND / (SAMPLE_MILLISECONDS / 1000);
    if (load <= LARGEST_OTHER_LOAD) return;
  }
}
