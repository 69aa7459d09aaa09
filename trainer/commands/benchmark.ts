import type { Precision } from '../engine/precision.ts';
import type { Preset } from '../model/presets.ts';
import { printJson, printLine } from '../report/results.ts';
import { aligned } from '../report/tables.ts';
import { findPeer } from '../../benchmark/peer.ts';
import { profileRows, type ProfileResult } from '../../benchmark/profileReport.ts';
import type { BundlePrecision } from '../../benchmark/randomClassifier.ts';
import { setupPeer } from '../../benchmark/setupPeer.ts';
import { trainingNotes, trainingRows, type Rows } from '../../benchmark/tables.ts';
import { trainingBenchmark } from '../../benchmark/trainingBenchmark.ts';
import { presetWorkload, type DeviceName, type TaskName } from '../../benchmark/workload.ts';

/** What the command line can set for every measurement. */
interface BenchmarkOptions {
  readonly device: DeviceName;
  readonly precision: Precision;
  readonly repeats: number;
  readonly json?: boolean | undefined;
}

export interface BenchmarkTrainOptions extends BenchmarkOptions {
  readonly preset: Preset | 'both';
  readonly task: TaskName | 'both';
  readonly steps?: number | undefined;
  readonly vocab?: number | undefined;
  /** A Python with PyTorch and fastai. */
  readonly peer?: string | undefined;
  readonly anyLoad?: boolean | undefined;
}

export interface BenchmarkTokenizeOptions {
  readonly file?: string | undefined;
  readonly text?: readonly string[] | undefined;
  readonly documents: number;
  readonly repeats: number;
  /** A Python with fastai. */
  readonly peer?: string | undefined;
  readonly anyLoad?: boolean | undefined;
  readonly json?: boolean | undefined;
}

export interface BenchmarkServeOptions {
  readonly preset: Preset | 'both';
  readonly precision: BundlePrecision | 'both';
  readonly documents?: number | undefined;
  readonly clients: number;
  readonly maxBatch: number;
  readonly requests: number;
  readonly repeats: number;
  /** A Python with PyTorch and fastai. */
  readonly peer?: string | undefined;
  readonly anyLoad?: boolean | undefined;
  readonly json?: boolean | undefined;
}

export interface BenchmarkEdgeOptions {
  readonly repeats: number;
  readonly json?: boolean | undefined;
}

export interface BenchmarkScalingOptions extends BenchmarkOptions {
  readonly steps: number;
  /** Path of the charts, without its ending. */
  readonly plot?: string | undefined;
  readonly anyLoad?: boolean | undefined;
}

export interface BenchmarkProfileOptions extends BenchmarkOptions {
  readonly preset: Preset;
  readonly task: TaskName;
  readonly vocab?: number | undefined;
  readonly top: number;
}

/** `ulmfit benchmark train`: training speed beside PyTorch's and the machine's own limit. */
export async function benchmarkTrain(options: BenchmarkTrainOptions): Promise<void> {
  const { preset, task, device, precision, repeats, steps, vocab, peer, anyLoad, json } = options;
  const result = await trainingBenchmark({
    presets: preset === 'both' ? ['small', 'base'] : [preset],
    tasks: task === 'both' ? ['lm', 'classifier'] : [task],
    device,
    precision,
    repeats,
    steps,
    log,
    anyLoad,
    vocabulary: vocab,
    peer: await findPeer(peer),
  });
  if (json === true) await printJson(result);
  else await printTable(trainingRows(result.measurements), trainingNotes(result));
}

/** `ulmfit benchmark tokenize`: tokenizing speed beside fastai's. */
export async function benchmarkTokenize({ json, peer, ...options }: BenchmarkTokenizeOptions): Promise<void> {
  const { tokenizingBenchmark } = await import('../../benchmark/tokenizingBenchmark.ts');
  const { tokenizingNotes, tokenizingRows } = await import('../../benchmark/tokenizingReport.ts');
  const result = await tokenizingBenchmark({ ...options, log, peer: await findPeer(peer) });
  if (json === true) await printJson(result);
  else await printTable(tokenizingRows(result), tokenizingNotes(result));
}

/** `ulmfit benchmark serve`: serving speed beside PyTorch's and the graph's own. */
export async function benchmarkServe({ preset, precision, json, peer, ...options }: BenchmarkServeOptions): Promise<void> {
  const { servingBenchmark } = await import('../../benchmark/servingBenchmark.ts');
  const { servingLoadRows, servingNotes, servingRows } = await import('../../benchmark/servingReport.ts');
  const result = await servingBenchmark({
    ...options,
    presets: preset === 'both' ? ['small', 'base'] : [preset],
    precisions: precision === 'both' ? ['fp32', 'int8'] : [precision],
    peer: await findPeer(peer),
    log,
  });
  if (json === true) await printJson(result);
  else await printLine([aligned(servingRows(result)), '', aligned(servingLoadRows(result)), '', ...servingNotes(result)].join('\n'));
}

/** `ulmfit benchmark edge`: the Worker in workerd on this machine, the kernel beside onnxruntime-web. */
export async function benchmarkEdge({ repeats, json }: BenchmarkEdgeOptions): Promise<void> {
  const { edgeBenchmark } = await import('../../benchmark/edge/edgeBenchmark.ts');
  const { edgeNotes, edgeRows } = await import('../../benchmark/edge/edgeReport.ts');
  const result = await edgeBenchmark({ repeats, log });
  if (json === true) await printJson(result);
  else await printTable(edgeRows(result), edgeNotes(result));
}

/** `ulmfit benchmark scaling`: training speed against the sizes that decide it. */
export async function benchmarkScaling({ plot, json, ...options }: BenchmarkScalingOptions): Promise<void> {
  const { scalingBenchmark } = await import('../../benchmark/scaling.ts');
  const { scalingFigure, scalingNotes, scalingRows } = await import('../../benchmark/scalingReport.ts');
  const result = await scalingBenchmark({ ...options, log });
  if (plot !== undefined) await (await import('../report/chart.ts')).writeFigure(plot, scalingFigure(result));
  if (json === true) await printJson(result);
  else await printTable(scalingRows(result), scalingNotes(result));
}

/** `ulmfit benchmark profile`: where a step's time goes. */
export async function benchmarkProfile({
  preset,
  task,
  device,
  precision,
  repeats,
  vocab,
  top,
  json,
}: BenchmarkProfileOptions): Promise<void> {
  const { profileSteps, PROFILED_BATCHES } = await import('../../benchmark/profile.ts');
  const choice = { preset, task, device, precision, threads: 0, vocabulary: vocab, steps: PROFILED_BATCHES };
  const profile = profileSteps(presetWorkload(choice), repeats);
  const result: ProfileResult = { benchmark: 'profile', preset, task, device, precision, ...profile };
  if (json === true) await printJson(result);
  else await printTable(profileRows(result, top), []);
}

/** `ulmfit benchmark setup-peer`: installs what `benchmark train` compares with. */
export async function benchmarkSetupPeer({ json }: { readonly json?: boolean | undefined }): Promise<void> {
  const { python, already } = await setupPeer(log);
  if (json === true) await printJson({ python, already });
  else await printLine(`PyTorch and fastai ${already ? 'were installed already and work' : 'are installed'}: ${python}`);
}

function log(line: string): void {
  console.error(line);
}

async function printTable(rows: Rows, notes: readonly string[]): Promise<void> {
  await printLine([aligned(rows), ...(notes.length > 0 ? ['', ...notes] : [])].join('\n'));
}
