import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCorpusFields } from '../trainer/data/corpus.ts';
import { Contender, ownContender, type ContenderCommand } from './contender.ts';
import { FreshContender } from './freshContender.ts';
import { thisMachine, type Machine } from './machine.ts';
import { FASTAI, OURS } from './names.ts';
import { PEER_SCRIPTS, type Peer } from './peer.ts';
import { pairedRatios, spread, type Skipped, type Spread } from './statistics.ts';
import { generatedReviews, sampleOf, type TokenizingWork } from './tokenizingWork.ts';
import { ANY_LOAD, takeTurns, type Player, type TurnsOutcome } from './turns.ts';

/** The whole result of `ulmfit benchmark tokenize`. */
export interface TokenizingBenchmark {
  readonly benchmark: 'tokenize';
  /** ISO date and time. */
  readonly created: string;
  readonly machine: Machine;
  readonly repeats: number;
  /** Where the documents come from: a file's name, or `generated`. */
  readonly source: string;
  readonly documents: number;
  readonly characters: number;
  /** One for each number of threads. */
  readonly measurements: readonly TokenizingMeasurement[];
}

/** Speed and memory of one contender. */
export interface TokenizingSpeed {
  readonly documentsPerSecond: Spread;
  readonly tokensPerSecond: Spread;
  readonly tokens: number;
  /** The most memory that its process held (resident set), in MiB; of worker processes, not theirs. */
  readonly peakMebibytes: number;
  readonly versions: Readonly<Record<string, string>>;
}

/** What was measured with a number of threads. */
export interface TokenizingMeasurement {
  readonly threads: number;
  readonly ours: TokenizingSpeed;
  readonly fastai: TokenizingSpeed | Skipped;
  /** Ours over fastai's documents a second; absent where that was skipped. */
  readonly ratioToFastai?: Spread;
  /** Processors that something else kept busy, each repeat: see `Repeat` in turns.ts. */
  readonly otherLoad: Spread;
  /** Repeats that were measured again because others had disturbed them. */
  readonly discarded: number;
  /** The contenders in the order of their turns, each repeat. */
  readonly orders: TurnsOutcome['orders'];
}

export interface TokenizingBenchmarkOptions {
  /** A table, JSON Lines, text or a folder; generated texts where it is left out. */
  readonly file?: string | undefined;
  readonly text?: readonly string[] | undefined;
  /** At most so many documents, evenly spaced. */
  readonly documents: number;
  readonly repeats: number;
  /** Numbers of threads; default: one, and one a processor. */
  readonly threads?: readonly number[] | undefined;
  readonly peer: Peer;
  readonly log: (line: string) => void;
  /** Measure at once, however busy the machine is. */
  readonly anyLoad?: boolean | undefined;
}

/**
 * Measures how fast texts are tokenized, with one thread and with all, beside fastai's pipeline.
 *
 * @throws UserError where the texts cannot be read; Error where a contender fails
 */
export async function tokenizingBenchmark(options: TokenizingBenchmarkOptions): Promise<TokenizingBenchmark> {
  const { file, repeats, threads = [...new Set([1, availableParallelism()])] } = options;
  const documents = await documentsOf(options);
  const folder = await mkdtemp(join(tmpdir(), 'ulmfit-benchmark-'));
  try {
    const path = join(folder, 'documents.jsonl');
    await writeFile(
      path,
      documents.map((text) => `${JSON.stringify(text)}\n`),
    );
    const measurements: TokenizingMeasurement[] = [];
    for (const count of threads) measurements.push(await measureThreads({ documents: path, threads: count }, documents.length, options));
    return {
      benchmark: 'tokenize',
      created: new Date().toISOString(),
      machine: thisMachine(),
      repeats,
      source: file ?? 'generated',
      documents: documents.length,
      characters: documents.reduce((sum, text) => sum + text.length, 0),
      measurements,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function documentsOf({ file, text, documents }: TokenizingBenchmarkOptions): Promise<string[]> {
  if (file === undefined) return generatedReviews(documents);
  const all: string[] = [];
  for await (const fields of readCorpusFields(file, { text })) all.push(fields.join(' '));
  return sampleOf(all, documents);
}

interface TokenizingPlayer extends Player {
  readonly versions: Readonly<Record<string, string>>;
  readonly tokens: number | undefined;
  peakMebibytes(): number;
  stop(): Promise<void>;
}

async function measureThreads(
  work: TokenizingWork,
  documents: number,
  options: TokenizingBenchmarkOptions,
): Promise<TokenizingMeasurement> {
  const { repeats, peer, log, anyLoad } = options;
  const ours = new FreshContender(ownContender(OURS, 'oursTokenizing'), work, log);
  // What fastai remembers is in the tokenizer, of which it makes a new one for each turn.
  const fastai = 'skipped' in peer ? undefined : await Contender.start(peerCommand(peer.python), work, log);
  try {
    const players: readonly TokenizingPlayer[] = fastai === undefined ? [ours] : [ours, fastai];
    const onRepeat = (number: number, { seconds }: { readonly seconds: ReadonlyMap<string, number> }): void => {
      const taken = [...seconds].map(([name, value]) => `${name} ${value.toFixed(2)} s`).join(', ');
      log(`${work.threads} thread${work.threads === 1 ? '' : 's'}: repeat ${number}  ${taken}`);
    };
    const { seconds, otherLoad, ...counts } = await takeTurns(players, {
      repeats,
      turns: [[0]],
      onRepeat,
      ...(anyLoad === true && ANY_LOAD),
    });
    const speedOf = (player: TokenizingPlayer): TokenizingSpeed => {
      const taken = seconds.get(player.name) ?? [];
      const tokens = player.tokens ?? Number.NaN;
      return {
        documentsPerSecond: spread(taken.map((one) => documents / one)),
        tokensPerSecond: spread(taken.map((one) => tokens / one)),
        tokens,
        peakMebibytes: player.peakMebibytes(),
        versions: player.versions,
      };
    };
    const measured = { threads: work.threads, ours: speedOf(ours), otherLoad: spread(otherLoad), ...counts };
    if (fastai === undefined) return { ...measured, fastai: 'skipped' in peer ? peer : { skipped: 'it did not run' } };
    const theirs = speedOf(fastai);
    const ratioToFastai = pairedRatios(measured.ours.documentsPerSecond.all, theirs.documentsPerSecond.all);
    return { ...measured, fastai: theirs, ratioToFastai };
  } finally {
    await fastai?.stop();
  }
}

function peerCommand(python: string): ContenderCommand {
  const environment = { PYTHONDONTWRITEBYTECODE: '1', PYTHONWARNINGS: 'ignore' };
  return { name: FASTAI, program: python, args: [join(PEER_SCRIPTS, 'tokenizing.py')], environment };
}
