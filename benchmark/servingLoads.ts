/** Loads that only a server has: long documents beside short ones, health checks meanwhile, and a hundred thousand requests. */
import { setTimeout } from 'node:timers/promises';
import type { ServedBundle } from './servedBundle.ts';
import { wordsOf } from './servingWork.ts';
import { pairedRatios, percentile, spread, type Spread } from './statistics.ts';

/** How long short texts take alone, and while long documents are read as well. */
export interface Mixed {
  readonly shortTokens: number;
  readonly shortClients: number;
  readonly longWords: number;
  readonly longClients: number;
  /** 95th percentile of the short texts' milliseconds, each repeat. */
  readonly aloneP95: Spread;
  readonly mixedP95: Spread;
  readonly ratio: Spread;
}

/** How long health checks take, one after the other, with nothing else to do, and while the server computes all it can. */
export interface Health {
  /** Milliseconds of each. */
  readonly idle: Spread;
  readonly busy: Spread;
  /** Who keeps the server busy, each with one document after the other. */
  readonly clients: number;
  readonly words: number;
  readonly hugeClients: number;
  readonly hugeWords: number;
}

/** Memory of the server while it answers short requests. */
export interface Memory {
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** Resident set in MiB after each tenth of the requests. */
  readonly mebibytes: readonly number[];
  /** The last over the first of them. */
  readonly growth: number;
}

const SHORT_TOKENS = 100;
const SHORT_CLIENTS = 8;
const SHORT_REQUESTS = 400;
const LONG_WORDS = 10_000;
const LONG_CLIENTS = 2;
const HEALTH_CHECKS = 200;
const HEALTH_PAUSE = 10;
const HEALTH_WORDS = 300;
const HUGE_WORDS = 200_000;
const HUGE_CLIENTS = 2;
const TENTHS = 10;

/** Short texts alone and beside long documents, in turns. */
export async function measureMixed(server: ServedBundle, repeats: number): Promise<Mixed> {
  const short = new Array<string>(SHORT_REQUESTS).fill(wordsOf(SHORT_TOKENS - 1));
  const long = wordsOf(LONG_WORDS);
  const p95 = async (): Promise<number> => percentile(await server.classifyAll(short, SHORT_CLIENTS), 0.95);
  await p95();
  const alone: number[] = [];
  const mixed: number[] = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    alone.push(await p95());
    const enough = new AbortController();
    const readers = Array.from({ length: LONG_CLIENTS }, () => server.classifyUntil(long, enough.signal));
    mixed.push(await p95());
    enough.abort();
    await Promise.all(readers);
  }
  return {
    shortTokens: SHORT_TOKENS,
    shortClients: SHORT_CLIENTS,
    longWords: LONG_WORDS,
    longClients: LONG_CLIENTS,
    aloneP95: spread(alone),
    mixedP95: spread(mixed),
    ratio: pairedRatios(mixed, alone),
  };
}

/** Health checks alone, and beside documents of some hundred words from all clients and bodies of a megabyte from two more. */
export async function measureHealth(server: ServedBundle, clients: number): Promise<Health> {
  const checks = async (): Promise<number[]> => {
    const milliseconds: number[] = [];
    for (let check = 0; check < HEALTH_CHECKS; check++) {
      milliseconds.push(await server.checkHealth());
      await setTimeout(HEALTH_PAUSE);
    }
    return milliseconds;
  };
  await server.checkHealth();
  const idle = await checks();
  const enough = new AbortController();
  const texts = [...new Array<string>(clients).fill(wordsOf(HEALTH_WORDS)), ...new Array<string>(HUGE_CLIENTS).fill(wordsOf(HUGE_WORDS))];
  const readers = texts.map((text) => server.classifyUntil(text, enough.signal));
  const busy = await checks();
  enough.abort();
  await Promise.all(readers);
  return { idle: spread(idle), busy: spread(busy), clients, words: HEALTH_WORDS, hugeClients: HUGE_CLIENTS, hugeWords: HUGE_WORDS };
}

/** Short requests, so many at a time; the first tenth warms up. */
export async function measureMemory(server: ServedBundle, requests: number, clients: number): Promise<Memory> {
  const tenth = new Array<string>(Math.ceil(requests / TENTHS)).fill('A fine film.');
  const mebibytes: number[] = [];
  const start = performance.now();
  for (let number = 0; number < TENTHS; number++) {
    await server.classifyAll(tenth, clients);
    mebibytes.push(server.residentMebibytes());
  }
  const seconds = (performance.now() - start) / 1000;
  const sent = tenth.length * TENTHS;
  return {
    requests: sent,
    requestsPerSecond: sent / seconds,
    mebibytes,
    growth: (mebibytes.at(-1) ?? Number.NaN) / (mebibytes[0] ?? Number.NaN),
  };
}
