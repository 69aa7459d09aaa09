import { machineText, ratioText, speedText, type Rows } from '../tables.ts';
import type { EdgeBenchmark } from './edgeBenchmark.ts';

/** US dollars: the list at developers.cloudflare.com/workers/platform/pricing, as others quoted it in November 2026. */
const DOLLARS_PER_MILLION_MILLISECONDS = 0.02;
const DOLLARS_PER_MILLION_REQUESTS = 0.3;

const MEBIBYTE = 2 ** 20;

/** The figures as rows: what was measured on the kernel, the same on onnxruntime-web in float32, and their ratio. */
export function edgeRows({ comparisons, lengths, memory, uploadBytes, coldStart, crowd }: EdgeBenchmark): Rows {
  const mebibytes = (bytes: number) => (bytes / MEBIBYTE).toFixed(2);
  const answered = Object.entries(crowd.statuses).map(([status, count]) => `${count} × ${status}`);
  return [
    ['', 'kernel, int8', 'onnxruntime-web, fp32', 'ratio'],
    ...comparisons.map(({ preset, words, kernel, onnxruntime, ratio }) => [
      `${preset}, ${words} words, warm: ms of CPU`,
      speedText(kernel),
      speedText(onnxruntime),
      ratioText(ratio),
    ]),
    ...lengths.map(({ words, milliseconds, peakMebibytes }) => [
      `small, ${words} words: ms of CPU; MiB`,
      `${milliseconds.toFixed(0)}; ${(peakMebibytes - memory.emptyMebibytes).toFixed(0)}`,
      '–',
      '–',
    ]),
    [
      `base, ${memory.vocabulary} words known, ${memory.batch} documents at a time: MiB`,
      (memory.baseMebibytes - memory.emptyMebibytes).toFixed(0),
      '–',
      '–',
    ],
    [
      'upload, code and WebAssembly: MiB',
      mebibytes(uploadBytes.kernel),
      mebibytes(uploadBytes.onnxruntime),
      (uploadBytes.kernel / uploadBytes.onnxruntime).toFixed(2),
    ],
    [
      'small, process start to first answer: ms',
      speedText(coldStart.kernel),
      speedText(coldStart.onnxruntime),
      (coldStart.kernel.median / coldStart.onnxruntime.median).toFixed(2),
    ],
    [`small, ${crowd.requests} requests at once: answers`, answered.join(', '), '–', '–'],
  ];
}

/** What a reader must know besides the table. */
export function edgeNotes({ machine, repeats, comparisons, coldStart, crowd }: EdgeBenchmark): string[] {
  return [
    `${machineText(machine)}; medians of ${repeats} repeats, in turns; ratio: median [least – greatest] of the repeats' own ratios.`,
    'Random weights: sizes decide the speed. CPU is the processor time of workerd for a whole request, tokenizing and HTTP included.',
    "MiB: the most memory that workerd held, above what it holds with an empty Worker; pages of its own program's file are left out.",
    `An empty Worker's first answer comes after ${speedText(coldStart.empty)} ms. The ${crowd.requests} requests took ${crowd.seconds.toFixed(1)} s.`,
    ...comparisons.map(({ preset, words, kernel, onnxruntime }) => {
      const price = (milliseconds: number) => `$${pricePerMillion(milliseconds).toFixed(2)}`;
      return (
        `A million documents of ${words} words, ${preset}, one a request: ${price(kernel.median)}; on onnxruntime-web ${price(onnxruntime.median)}. ` +
        'Arithmetic, not measured: this machine times the price list as others quote it, see docs/edge.md.'
      );
    }),
  ];
}

/** US dollars for a million requests of so much processor time each, beyond what the plan includes. */
export function pricePerMillion(milliseconds: number): number {
  return DOLLARS_PER_MILLION_REQUESTS + milliseconds * DOLLARS_PER_MILLION_MILLISECONDS;
}
