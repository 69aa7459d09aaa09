import type { Machine } from './machine.ts';
import type { Limit, Measurement, Speed } from './measurement.ts';
import type { Skipped, Spread } from './statistics.ts';
import { LARGEST_OTHER_LOAD } from './turns.ts';
import type { TrainingBenchmark } from './trainingBenchmark.ts';

const PLAIN = 'ulmfit ran without its compiled operations, so slower than it could: `ulmfit setup` compiles them.';

const TASKS = { lm: 'language model', classifier: 'classifier' } as const;

/** Rows of a table, the first of them its head. */
export type Rows = readonly (readonly string[])[];

/** The result of a training benchmark as the rows of a table. */
export function trainingRows(measurements: readonly Measurement[]): Rows {
  const head = ['', 'ulmfit', 'PyTorch', 'ratio', 'limit', 'of limit', 'MiB', 'PyTorch'];
  return [head, ...measurements.flatMap(rowsOf)];
}

function rowsOf(measurement: Measurement): string[][] {
  const { preset, task, precision, sizes, ours, pytorch, limit, ratioToPytorch, shareOfLimit } = measurement;
  const documents = (speed: Speed | Skipped) => ('skipped' in speed ? undefined : speed.documentsPerSecond);
  const rows = [
    [
      `${preset}, ${TASKS[task]}, ${sizes.vocabulary} words, ${precision}: tokens/s`,
      ...[ours, pytorch].map((speed) => speedText(tokensPerSecond(speed))),
      ratioText(ratioToPytorch),
      speedText(tokensPerSecond(limit)),
      shareOfLimit === undefined ? '–' : `${(100 * shareOfLimit.median).toFixed(0)} %`,
      ...[ours, pytorch].map((speed) => ('skipped' in speed ? '–' : speed.peakMebibytes.toFixed(0))),
    ],
  ];
  if (task === 'classifier')
    rows.push(['  documents/s', ...[ours, pytorch].map((speed) => speedText(documents(speed))), '', '', '', '', '']);
  return rows;
}

/** What a reader must know besides the table: the machine, what was left out and why, what disturbed. */
export function trainingNotes({ machine, repeats, measurements }: TrainingBenchmark): string[] {
  const skipped = measurements.flatMap(({ ours, pytorch, limit, preset, task, precision }) =>
    Object.entries({ ulmfit: ours, PyTorch: pytorch, limit }).flatMap(([name, one]) =>
      'skipped' in one ? [{ workload: `${preset} ${task} ${precision}`, text: `${name} was not measured: ${one.skipped}.` }] : [],
    ),
  );
  const sayings = new Set(skipped.map(({ text }) => text));
  const disturbed = measurements.filter(({ otherLoad }) => (otherLoad?.median ?? 0) > LARGEST_OTHER_LOAD);
  return [
    `${machineText(machine)}; medians of ${repeats} repeats, in turns; ratio: median [least – greatest] of the repeats' own ratios.`,
    ...sayings,
    ...(measurements.some(({ ours }) => 'versions' in ours && ours.versions['operations'] === 'plain') ? [PLAIN] : []),
    ...disturbed.map(
      ({ preset, task, precision, otherLoad }) =>
        `${preset} ${task} ${precision}: other programs kept ${otherLoad?.median.toFixed(2)} processors busy meanwhile. ` +
        'Measure again on an idle machine: these figures cannot be trusted.',
    ),
  ];
}

/** One line about a machine. */
export function machineText({ processor, processors, memoryGibibytes, instructions }: Machine): string {
  return `${processors} × ${processor}, ${memoryGibibytes} GiB (${instructions.join(', ')})`;
}

function tokensPerSecond(one: Speed | Limit | Skipped): Spread | undefined {
  return 'skipped' in one ? undefined : one.tokensPerSecond;
}

/** Three digits at least: 17.6, 692, 2605. */
export function speedText(spread: Spread | undefined): string {
  if (spread === undefined) return '–';
  return spread.median < 100 ? spread.median.toPrecision(3) : spread.median.toFixed(0);
}

/** A ratio with its spread: 1.27 [1.20 – 1.31]. */
export function ratioText(ratio: Spread | undefined): string {
  return ratio === undefined ? '–' : `${ratio.median.toFixed(2)} [${ratio.min.toFixed(2)} – ${ratio.max.toFixed(2)}]`;
}
