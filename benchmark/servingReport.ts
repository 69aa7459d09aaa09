import type { ServingBenchmark, ServingLoads, ServingMeasurement, ServingSpeed } from './servingBenchmark.ts';
import { SINGLE_TOKENS } from './servingWork.ts';
import { pairedRatios, percentile, spread, type Spread } from './statistics.ts';
import { machineText, ratioText, speedText, type Rows } from './tables.ts';
import { LARGEST_OTHER_LOAD } from './turns.ts';

/** The contenders side by side: documents a second, and one text alone. */
export function servingRows({ measurements }: ServingBenchmark): Rows {
  const head = [
    '',
    'documents/s',
    'to fastai',
    'to the best',
    `${SINGLE_TOKENS} tokens: p50 ms`,
    'p95',
    'to the best',
    'to the graph',
    'MiB',
  ];
  return [head, ...measurements.flatMap(contenderRows)];
}

function contenderRows(measurement: ServingMeasurement): string[][] {
  const { preset, documents, contenders } = measurement;
  const fastai = contenders.find(({ name }) => name === 'fastai fp32');
  const fastest = bestPeer(measurement, ({ seconds }) => seconds);
  const quickest = bestPeer(measurement, ({ single }) => single);
  return contenders.map((one) => {
    const ours = one.kind === 'ours';
    return [
      `${preset}, ${one.name}`,
      speedText(spread(one.seconds.all.map((seconds) => documents / seconds))),
      ...[fastai, fastest].map((peer) => (ours ? ratioText(ratio(peer?.seconds, one.seconds)) : '')),
      one.single.median.toFixed(1),
      percentile(one.single.all, 0.95).toFixed(1),
      ...[quickest, graphOf(measurement, one)].map((other) => (ours ? ratioText(ratio(one.single, other?.single)) : '')),
      one.peakMebibytes.toFixed(0),
    ];
  });
}

/** What only a server has. */
export function servingLoadRows({ measurements }: ServingBenchmark): Rows {
  const head = [
    '',
    'outside the graph',
    'short p95 ms',
    'beside long ones',
    'ratio',
    'health p99 ms',
    'under load',
    'requests',
    'requests/s',
    'MiB after a tenth',
    'at the end',
    'growth',
  ];
  return [head, ...measurements.flatMap(loadRows)];
}

function loadRows(measurement: ServingMeasurement): string[][] {
  return measurement.loads.map(({ precision, mixed, health, memory }) => {
    const ours = measurement.contenders.find(({ name, kind }) => kind === 'ours' && name.endsWith(precision));
    const outside = ours === undefined ? undefined : ratio(ours.seconds, graphOf(measurement, ours)?.seconds);
    return [
      `${measurement.preset}, ${precision}`,
      outside === undefined ? '–' : `${(100 * (outside.median - 1)).toFixed(0)} % of graph time`,
      mixed.aloneP95.median.toFixed(0),
      mixed.mixedP95.median.toFixed(0),
      ratioText(mixed.ratio),
      ...[health.idle, health.busy].map(({ all }) => percentile(all, 0.99).toFixed(1)),
      ...(memory === undefined
        ? ['–', '–', '–', '–', '–']
        : [
            String(memory.requests),
            memory.requestsPerSecond.toFixed(0),
            ...[memory.mebibytes[0], memory.mebibytes.at(-1)].map((mebibytes) => mebibytes?.toFixed(0) ?? '–'),
            `${(100 * (memory.growth - 1)).toFixed(1)} %`,
          ]),
    ];
  });
}

/** What a reader must know besides the tables. */
export function servingNotes({ machine, clients, maxBatch, measurements }: ServingBenchmark): string[] {
  const [first] = measurements;
  const skipped = new Set(
    measurements.flatMap((one) => Object.entries(one.skipped).map(([name, why]) => `${name} was not measured: ${why.skipped}.`)),
  );
  const disturbed = measurements.filter(({ otherLoad }) => otherLoad.median > LARGEST_OTHER_LOAD);
  return [
    `${machineText(machine)}; ${measurements.map(workText).join('; ')}. ` +
      `Ours over HTTP from text, ${clients} requests at a time, each of one document, up to ${maxBatch} in a graph call; the peers from token ids, in batches of 32 of like length. ` +
      `Medians of the repeats, in turns, in another order each time; ratios: median [least – greatest] of the repeats' own, of documents/s above 1 and of milliseconds below 1 where ours is faster.`,
    ...(first?.loads[0] === undefined ? [] : [mixedText(first.loads[0].mixed), healthText(first.loads[0].health)]),
    ...skipped,
    ...disturbed.map(
      ({ preset, otherLoad }) =>
        `${preset}: other programs kept ${otherLoad.median.toFixed(2)} processors busy meanwhile. ` +
        'Measure again on an idle machine: these figures cannot be trusted.',
    ),
  ];
}

function workText({ preset, documents, tokens, sizes, contenders }: ServingMeasurement): string {
  const repeats = contenders[0]?.seconds.all.length ?? 0;
  return `${preset}: ${documents} documents of ${(tokens / documents).toFixed(0)} tokens on average, ${sizes.vocabulary} words, ${repeats} repeats`;
}

function mixedText({ shortTokens, shortClients, longWords, longClients }: ServingLoads['mixed']): string {
  return `Short texts: ${shortTokens} tokens from ${shortClients} clients, alone and beside ${longClients} clients with documents of ${longWords} words.`;
}

function healthText({ idle, clients, words, hugeClients, hugeWords }: ServingLoads['health']): string {
  return (
    `Health: ${idle.all.length} checks one after the other, alone and beside ${clients} clients with documents of ${words} words ` +
    `and ${hugeClients} with documents of ${hugeWords} words.`
  );
}

/** The peer with the least of something. */
function bestPeer({ contenders }: ServingMeasurement, figure: (one: ServingSpeed) => Spread): ServingSpeed | undefined {
  return contenders.filter(({ kind }) => kind === 'peer').toSorted((one, other) => figure(one).median - figure(other).median)[0];
}

/** The graph that one of our servers runs. */
function graphOf({ contenders }: ServingMeasurement, { name }: ServingSpeed): ServingSpeed | undefined {
  return contenders.find((one) => one.kind === 'graph' && one.name.split(' ').at(-1) === name.split(' ').at(-1));
}

function ratio(above: Spread | undefined, below: Spread | undefined): Spread | undefined {
  return above === undefined || below === undefined ? undefined : pairedRatios(above.all, below.all);
}
