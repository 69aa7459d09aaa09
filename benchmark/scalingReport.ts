import type { Figure, Series } from '../trainer/report/chart.ts';
import { machineText, speedText, type Rows } from './tables.ts';
import type { ScalingBenchmark, ScalingPoint } from './scaling.ts';
import type { Skipped, Spread } from './statistics.ts';

/** A scaling benchmark as the rows of a table. */
export function scalingRows({ sweeps }: ScalingBenchmark): Rows {
  const head = ['', 'tokens/s', 'limit', 'of limit', 'growth', 'MiB'];
  return [
    head,
    ...sweeps.flatMap(({ title, unit, points }) => [
      [title, '', '', '', '', ''],
      ...points.map(({ value, growth, measurement: { ours, limit, shareOfLimit } }) => [
        `  ${value} ${unit}`,
        speedText(speedOf(ours)),
        speedText(speedOf(limit)),
        shareOfLimit === undefined ? '–' : `${(100 * shareOfLimit.median).toFixed(0)} %`,
        growth === undefined ? '' : growth.toFixed(2),
        'skipped' in ours ? '–' : ours.peakMebibytes.toFixed(0),
      ]),
    ]),
  ];
}

/** What a reader must know besides the table. */
export function scalingNotes({ machine, repeats, precision }: ScalingBenchmark): string[] {
  return [
    `${machineText(machine)}; ${precision}; medians of ${repeats} repeats.`,
    "growth: exponent of a step's time against its arithmetic from the row above to this one; 1 is proportional, more would be superlinear.",
  ];
}

/** The same as a figure of one chart a sweep. */
export function scalingFigure({ machine, sweeps, repeats, precision }: ScalingBenchmark): Figure {
  return {
    title: 'Training speed against size',
    subtitle: `Small preset, ${precision}, ${machine.processors} × ${machine.processor}; medians of ${repeats} repeats, bands from the least to the greatest`,
    columns: 2,
    width: 420,
    height: 260,
    charts: sweeps.map(({ title, unit, points }) => ({
      title,
      x: { label: unit, scale: 'log', ticks: points.map(({ value }) => value) },
      y: { label: 'tokens per second' },
      series: [
        line('ulmfit', points, ({ measurement }) => measurement.ours),
        line('limit: matrix products alone', points, ({ measurement }) => measurement.limit),
      ],
    })),
  };
}

function line(name: string, points: readonly ScalingPoint[], pick: (point: ScalingPoint) => { tokensPerSecond: Spread } | Skipped): Series {
  return {
    name,
    points: points.flatMap((point) => {
      const speed = speedOf(pick(point));
      return speed === undefined ? [] : [{ x: point.value, y: speed.median, low: speed.min, high: speed.max }];
    }),
  };
}

function speedOf(one: { readonly tokensPerSecond: Spread } | Skipped): Spread | undefined {
  return 'skipped' in one ? undefined : one.tokensPerSecond;
}
