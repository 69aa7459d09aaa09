/**
 * Size and speed of the graph in each precision, with random weights: onnxruntime-node and nothing around it.
 * The precisions take turns in every round, so that what else the machine does hits all of them alike; medians are printed.
 *
 * @example
 * node export/benchmarkGraphs.ts --preset small --rounds 7
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { classifierShapes } from '../trainer/model/parameters.ts';
import { type Preset, PRESETS } from '../trainer/model/presets.ts';
import { type ModelSizes, PRECISIONS, type Precision } from './bundle.ts';
import { buildChunkStep } from './graph/chunkStep.ts';
import { type ClassifierWeights, classifierWeights, type Tensor } from './graph/classifierWeights.ts';
import { graphLogits, openGraph } from './parity.ts';

const CHUNK = 70;
/** Documents of the batch and tokens of each: one of 300 tokens, as a review has, and full batches of one chunk. */
const WORKLOADS = [
  { batch: 1, tokens: 300 },
  { batch: 1, tokens: CHUNK },
  { batch: 8, tokens: CHUNK },
  { batch: 16, tokens: CHUNK },
] as const;

const { values: flags } = parseArgs({
  options: {
    preset: { type: 'string', default: 'small' },
    rounds: { type: 'string', default: '7' },
    threads: { type: 'string', default: '0' }, // onnxruntime's own choice
  },
});

const sizes: ModelSizes | undefined = PRESETS[flags.preset as Preset];
if (sizes === undefined) {
  console.error(`There is no preset "${flags.preset}"; choose ${Object.keys(PRESETS).join(' or ')}.`);
  process.exit(2);
}
for (const [name, smallest] of [
  ['rounds', 1],
  ['threads', 0],
] as const) {
  if (/^\d+$/.test(flags[name]) && Number(flags[name]) >= smallest) continue;
  console.error(`--${name} is "${flags[name]}"; it must be a whole number of at least ${smallest}.`);
  process.exit(2);
}
const folder = await mkdtemp(join(tmpdir(), 'ulmfit-graphs-'));
try {
  await measure(sizes, Number(flags.rounds), Number(flags.threads));
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measure(model: ModelSizes, rounds: number, threads: number): Promise<void> {
  const weights = randomWeights(model);
  const graphs = new Map<Precision, Awaited<ReturnType<typeof open>>>();
  for (const precision of PRECISIONS) graphs.set(precision, await open(weights, precision, threads));
  const row = (cells: readonly (string | number)[]): void => console.log(`| ${cells.join(' | ')} |`);
  row([flags.preset, ...PRECISIONS]);
  row(['---', ...PRECISIONS.map(() => '---:')]);
  row(['weight files, MB', ...[...graphs.values()].map(({ megabytes }) => megabytes.toFixed(1))]);
  for (const { batch, tokens } of WORKLOADS) {
    const documents = Array.from({ length: batch }, (_, number) => randomDocument(tokens, model.vocabulary, number));
    const times = new Map<Precision, number[]>(PRECISIONS.map((precision) => [precision, []]));
    // The first round warms up and does not count.
    for (let round = 0; round <= rounds; round++) {
      for (const [precision, { session }] of graphs) {
        const start = performance.now();
        await graphLogits(session, { sizes: model, chunkLength: CHUNK }, documents);
        if (round > 0) times.get(precision)?.push(performance.now() - start);
      }
    }
    const medians = [...times.values()].map((all) => all.toSorted((one, other) => one - other)[all.length >> 1] ?? Number.NaN);
    row([`batch ${batch} of ${tokens} tokens, ms`, ...medians.map((median) => median.toFixed(1))]);
    row([`batch ${batch} of ${tokens} tokens, tokens/s`, ...medians.map((median) => Math.round((1000 * batch * tokens) / median))]);
  }
  for (const { session } of graphs.values()) await session.release();
}

async function open(weights: ClassifierWeights, precision: Precision, threads: number) {
  const { graph, shards } = buildChunkStep(weights, {
    producer: ['benchmark', '1'],
    metadata: {},
    direction: 'forward',
    answer: '',
    precision,
    filePrefix: `${precision}-`,
  });
  const path = join(folder, `${precision}.onnx`);
  await writeFile(path, graph);
  for (const [name, bytes] of shards) await writeFile(join(folder, name), bytes);
  const megabytes = [...shards.values()].reduce((sum, { length }) => sum + length, 0) / 1e6;
  return { session: await openGraph(path, threads), megabytes };
}

/** A classifier for two labels with weights as a fresh LSTM has them, from a fixed seed. */
function randomWeights(model: ModelSizes): ClassifierWeights {
  const random = generator(1);
  const tensors = new Map<string, Tensor>();
  for (const [name, shape] of classifierShapes(model, 2)) {
    const elements = shape.reduce((product, size) => product * size, 1);
    const range = 1 / Math.sqrt(shape.at(-1) ?? 1);
    const data = name.endsWith('variance') ? new Float32Array(elements).fill(1) : new Float32Array(elements);
    if (!name.includes('norm')) data.forEach((_, place) => (data[place] = range * (2 * random() - 1)));
    if (name.endsWith('scale')) data.fill(1);
    tensors.set(name, { shape, data });
  }
  return classifierWeights(tensors, model, 2);
}

function randomDocument(tokens: number, vocabulary: number, seed: number): Int32Array {
  const random = generator(seed + 2);
  return Int32Array.from({ length: tokens }, () => Math.floor(random() * vocabulary));
}

/** Numbers in [0, 1): a linear congruential generator (Numerical Recipes, section 7.1), good enough for speed. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
