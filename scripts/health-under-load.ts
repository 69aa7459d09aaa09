/**
 * `node scripts/health-under-load.ts <bundle> [seconds]`: how long /health takes to answer while a server computes all it can, short
 * texts beside bodies of a megabyte, and how long short texts take alone and beside long ones. The clients run in threads of
 * their own, but on the same cores. Prints JSON, times in milliseconds.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

import { startServer } from '../serve/node/server.ts';

interface Client {
  readonly url: string;
  readonly path: string;
  /** Words of each text; 0 asks with GET. */
  readonly words: number;
  /** Pause between an answer and the next request. */
  readonly pause: number;
  readonly milliseconds: number;
}

const WORDS = 'the film was good but its story seemed boring and funny to the best actor who would love or hate you'.split(' ');
const text = (words: number): string =>
  Array.from({ length: words }, (_, index) => WORDS[(index * 7 + (index >> 5)) % WORDS.length]).join(' ');
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Asks again and again; the time of every answer with 200. */
async function askAllTheTime({ url, path, words, pause: between, milliseconds }: Client): Promise<number[]> {
  const body = JSON.stringify({ inputs: text(words) });
  const init = words === 0 ? {} : { method: 'POST', headers: { 'content-type': 'application/json' }, body };
  const times: number[] = [];
  for (const end = performance.now() + milliseconds; performance.now() < end;) {
    const started = performance.now();
    const response = await fetch(url + path, init);
    await response.arrayBuffer();
    if (response.ok) times.push(performance.now() - started);
    await pause(between);
  }
  return times;
}

const inThread = (client: Client): Promise<number[]> =>
  new Promise((resolve, reject) => {
    new Worker(new URL(import.meta.url), { workerData: client }).once('message', resolve).once('error', reject);
  });

function figures(times: readonly number[]) {
  const sorted = times.toSorted((one, other) => one - other);
  const at = (share: number) => Number((sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN).toFixed(1));
  return { answers: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), longest: at(1) };
}

async function measure(bundle: string, seconds: number) {
  const server = await startServer(bundle, { port: 0 });
  const milliseconds = seconds * 1000;
  const ask = (count: number, words: number) =>
    Promise.all(
      Array.from({ length: count }, () => inThread({ url: server.url, path: '/v1/classify', words, pause: 0, milliseconds })),
    ).then((times) => figures(times.flat()));
  const health = () => inThread({ url: server.url, path: '/health', words: 0, pause: 10, milliseconds }).then(figures);
  const loop = monitorEventLoopDelay({ resolution: 1 });
  const idle = { health: await health() };
  const alone = { short: await ask(2, 60) };
  loop.enable();
  const [underLoad, many, huge] = await Promise.all([health(), ask(8, 300), ask(2, 200_000)]);
  loop.disable();
  const [short, long] = await Promise.all([ask(2, 60), ask(2, 10_000)]);
  await server.stop();
  return {
    idle,
    underLoad: {
      health: underLoad,
      textsOf300Words: many,
      textsOf200000Words: huge,
      eventLoopDelayLongest: Number((loop.max / 1e6).toFixed(1)),
    },
    shortTexts: { alone: alone.short, besideLong: short, long, p95Ratio: Number((short.p95 / alone.short.p95).toFixed(2)) },
  };
}

if (isMainThread) {
  const [bundle, seconds = '10'] = process.argv.slice(2);
  if (bundle === undefined) throw new Error('Usage: node scripts/health-under-load.ts <bundle> [seconds]');
  console.log(JSON.stringify(await measure(bundle, Number(seconds)), undefined, 2));
} else {
  parentPort?.postMessage(await askAllTheTime(workerData as Client));
}
