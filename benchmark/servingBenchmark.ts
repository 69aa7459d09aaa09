import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Preset, Sizes } from '../trainer/model/presets.ts';
import type { BareGraphWork } from './bareGraph.ts';
import { Contender, ownContender } from './contender.ts';
import { thisMachine, type Machine } from './machine.ts';
import { GRAPH, OURS } from './names.ts';
import { servingPeerCommand, SERVING_PEERS, type Peer } from './peer.ts';
import { exportRandomClassifier, writeRandomClassifier, type BundlePrecision } from './randomClassifier.ts';
import { ServedBundle } from './servedBundle.ts';
import { measureHealth, measureMemory, measureMixed, type Health, type Memory, type Mixed } from './servingLoads.ts';
import { ALL, SINGLE, servingTexts, writeWork, type ServingTexts } from './servingWork.ts';
import { spread, type Skipped, type Spread } from './statistics.ts';
import { ANY_LOAD, takeTurns, type Player, type TurnsOutcome } from './turns.ts';

/** The whole result of `ulmfit benchmark serve`. */
export interface ServingBenchmark {
  readonly benchmark: 'serve';
  /** ISO date and time. */
  readonly created: string;
  readonly machine: Machine;
  readonly repeats: number;
  /** Requests at a time. */
  readonly clients: number;
  /** Documents in a graph call. */
  readonly maxBatch: number;
  /** One for each preset. */
  readonly measurements: readonly ServingMeasurement[];
}

/** What was measured with the model of a preset. */
export interface ServingMeasurement {
  readonly preset: string;
  readonly sizes: Sizes;
  readonly documents: number;
  readonly tokens: number;
  readonly threads: number;
  /** Ours, then the graphs alone, then the peers. */
  readonly contenders: readonly ServingSpeed[];
  /** Peers that were left out, by name. */
  readonly skipped: Readonly<Record<string, Skipped>>;
  /** Our servers under other loads. */
  readonly loads: readonly ServingLoads[];
  /** Processors that something else kept busy, each repeat: see `Repeat` in turns.ts. */
  readonly otherLoad: Spread;
  /** Repeats that were measured again because others had disturbed them. */
  readonly discarded: number;
  /** The contenders in the order of their turns, each repeat, and each time that the one text was classified. */
  readonly orders: { readonly all: TurnsOutcome['orders']; readonly single: TurnsOutcome['orders'] };
}

/** What was measured of one of our servers under loads that only a server has. */
export interface ServingLoads {
  readonly precision: BundlePrecision;
  readonly mixed: Mixed;
  readonly health: Health;
  readonly memory?: Memory;
}

/** Speed and memory of one contender. */
export interface ServingSpeed {
  readonly name: string;
  readonly kind: 'ours' | 'graph' | 'peer';
  /** Seconds for all documents, each repeat. */
  readonly seconds: Spread;
  /** Milliseconds for one text with nothing else to do. */
  readonly single: Spread;
  /** The most memory that its process held (resident set), in MiB. */
  readonly peakMebibytes: number;
  readonly versions: Readonly<Record<string, string>>;
}

export interface ServingBenchmarkOptions {
  readonly presets: readonly Preset[];
  readonly precisions: readonly BundlePrecision[];
  /** Documents of a repeat; by default what {@link DOCUMENTS} says. */
  readonly documents?: number | undefined;
  readonly repeats: number;
  /** Requests at a time. */
  readonly clients: number;
  /** Documents in a graph call. */
  readonly maxBatch: number;
  /** Short requests over which memory is watched; 0 leaves that out. */
  readonly requests: number;
  readonly peer: Peer;
  readonly log: (line: string) => void;
  /** Measure at once, however busy the machine is. */
  readonly anyLoad?: boolean | undefined;
  /** Instead of the preset's. */
  readonly sizes?: Sizes | undefined;
}

/** Documents of a repeat: some seconds of work. */
const DOCUMENTS: Readonly<Record<Preset, number>> = { small: 320, base: 128 };
/** How often the one text is classified, for each repeat. */
const SINGLES_A_REPEAT = 10;
/** Milliseconds of rest before each, so that it finds the machine idle. */
const SINGLE_PAUSE = 100;

/**
 * Measures `ulmfit serve` beside its graph alone and beside fastai's classifier on PyTorch, in turns within one run.
 *
 * @throws Error where a contender fails
 */
export async function servingBenchmark(options: ServingBenchmarkOptions): Promise<ServingBenchmark> {
  const measurements: ServingMeasurement[] = [];
  for (const preset of options.presets) measurements.push(await measurePreset(preset, options));
  const { repeats, clients, maxBatch } = options;
  return { benchmark: 'serve', created: new Date().toISOString(), machine: thisMachine(), repeats, clients, maxBatch, measurements };
}

async function measurePreset(preset: Preset, options: ServingBenchmarkOptions): Promise<ServingMeasurement> {
  const folder = await mkdtemp(join(tmpdir(), 'ulmfit-benchmark-'));
  const started: Started = { players: [], served: new Map(), skipped: new Map() };
  try {
    const texts = servingTexts(preset, options.documents ?? DOCUMENTS[preset], options.sizes);
    await startAll(started, folder, texts, options);
    const turns = await measureTurns(preset, started.players, options);
    for (const { player, kind } of started.players) if (kind !== 'ours') await player.stop();
    const loads: ServingLoads[] = [];
    for (const [precision, server] of started.served) {
      options.log(`${preset} ${precision}: short texts beside long ones`);
      const mixed = await measureMixed(server, options.repeats);
      let memory: Memory | undefined;
      if (options.requests > 0) {
        options.log(`${preset} ${precision}: ${options.requests} short requests`);
        memory = await measureMemory(server, options.requests, options.clients);
      }
      options.log(`${preset} ${precision}: health checks under load`);
      const health = await measureHealth(server, options.clients);
      loads.push({ precision, mixed, health, ...(memory !== undefined && { memory }) });
    }
    const { sizes, ids } = texts;
    return {
      preset,
      sizes,
      documents: ids.length - 1,
      tokens: ids.slice(0, -1).reduce((sum, { length }) => sum + length, 0),
      threads: availableParallelism(),
      skipped: Object.fromEntries(started.skipped),
      loads,
      ...turns,
    };
  } finally {
    await Promise.all(started.players.map(async ({ player }) => player.stop()));
    await rm(folder, { recursive: true, force: true });
  }
}

interface ServingPlayer extends Player {
  readonly versions: Readonly<Record<string, string>>;
  peakMebibytes(): number;
  stop(): Promise<void>;
}

/** What runs: also where starting the next one fails. */
interface Started {
  readonly players: { readonly player: ServingPlayer; readonly kind: ServingSpeed['kind'] }[];
  readonly served: Map<BundlePrecision, ServedBundle>;
  readonly skipped: Map<string, Skipped>;
}

async function startAll(started: Started, folder: string, texts: ServingTexts, options: ServingBenchmarkOptions): Promise<void> {
  const { precisions, clients, maxBatch, peer, log } = options;
  const threads = availableParallelism();
  const work = await writeWork(folder, texts, threads);
  const model = join(folder, 'model');
  log(`making bundles of a classifier with random weights, ${texts.sizes.vocabulary} words`);
  await writeRandomClassifier(model, texts, work.ours.chunk);
  const graphs: Started['players'] = [];
  for (const precision of precisions) {
    const bundle = join(folder, precision);
    await exportRandomClassifier(model, bundle, texts, precision);
    const served = await ServedBundle.start({
      name: `${OURS} ${precision}`,
      bundle,
      texts: texts.texts,
      passes: work.ours.passes,
      clients,
      maxBatch,
    });
    started.served.set(precision, served);
    started.players.push({ player: served, kind: 'ours' });
    const graph: BareGraphWork = { ...work.ours, bundle, clients, maxBatch };
    graphs.push({ player: await Contender.start(ownContender(`${GRAPH} ${precision}`, 'bareGraph'), graph, log), kind: 'graph' });
  }
  started.players.push(...graphs);
  for (const { name, variant } of SERVING_PEERS) {
    const command = servingPeerCommand(name, peer);
    if ('skipped' in command) started.skipped.set(name, { skipped: command.skipped });
    else started.players.push({ player: await Contender.start(command, { ...work.fastai, variant }, log), kind: 'peer' });
  }
}

async function measureTurns(
  preset: string,
  started: Started['players'],
  { repeats, log, anyLoad }: ServingBenchmarkOptions,
): Promise<Pick<ServingMeasurement, 'contenders' | 'otherLoad' | 'discarded' | 'orders'>> {
  const players = started.map(({ player }) => player);
  const onRepeat = (number: number, { seconds }: { readonly seconds: ReadonlyMap<string, number> }): void => {
    log(`${preset}: repeat ${number}  ${[...seconds].map(([name, value]) => `${name} ${value.toFixed(2)} s`).join(', ')}`);
  };
  const all = await takeTurns(players, { repeats, turns: [[ALL]], onRepeat, ...(anyLoad === true && ANY_LOAD) });
  // Too short for the clock of the system's load: what disturbs one disturbs its neighbours.
  const single = await takeTurns(players, { repeats: repeats * SINGLES_A_REPEAT, turns: [[SINGLE]], ...ANY_LOAD, pause: SINGLE_PAUSE });
  const contenders = started.map(({ player, kind }) => ({
    name: player.name,
    kind,
    seconds: spread(all.seconds.get(player.name) ?? []),
    single: spread((single.seconds.get(player.name) ?? []).map((seconds) => 1000 * seconds)),
    peakMebibytes: player.peakMebibytes(),
    versions: player.versions,
  }));
  const orders = { all: all.orders, single: single.orders };
  return { contenders, otherLoad: spread(all.otherLoad), discarded: all.discarded, orders };
}
