import type { Skipped } from './statistics.ts';
import { machineText, ratioText, speedText, type Rows } from './tables.ts';
import type { TokenizingBenchmark, TokenizingMeasurement, TokenizingSpeed } from './tokenizingBenchmark.ts';
import { LARGEST_OTHER_LOAD } from './turns.ts';

/** The result of a tokenizing benchmark as the rows of a table. */
export function tokenizingRows({ measurements }: TokenizingBenchmark): Rows {
  return [['', 'ulmfit', 'fastai', 'ratio', 'MiB', 'fastai'], ...measurements.flatMap(rowsOf)];
}

function rowsOf({ threads, ours, fastai, ratioToFastai }: TokenizingMeasurement): string[][] {
  const name = threads === 1 ? '1 thread' : `${threads} threads`;
  const speeds = (figure: 'documentsPerSecond' | 'tokensPerSecond'): string[] =>
    [ours, fastai].map((speed) => speedText('skipped' in speed ? undefined : speed[figure]));
  const memory = [ours, fastai].map((speed: TokenizingSpeed | Skipped) => ('skipped' in speed ? '–' : speed.peakMebibytes.toFixed(0)));
  return [
    [`${name}: documents/s`, ...speeds('documentsPerSecond'), ratioText(ratioToFastai), ...memory],
    ['  tokens/s', ...speeds('tokensPerSecond'), '', '', ''],
  ];
}

/** What a reader must know besides the table. */
export function tokenizingNotes(result: TokenizingBenchmark): string[] {
  const { machine, repeats, source, documents, characters, measurements } = result;
  const [first] = measurements;
  const skipped = measurements.flatMap(({ fastai }) => ('skipped' in fastai ? [`fastai was not measured: ${fastai.skipped}.`] : []));
  const differing = measurements.flatMap(({ ours, fastai }) =>
    'skipped' in fastai || fastai.tokens === ours.tokens
      ? []
      : [`ulmfit made ${ours.tokens} tokens of the texts and fastai ${fastai.tokens}.`],
  );
  const disturbed = measurements.filter(({ otherLoad }) => otherLoad.median > LARGEST_OTHER_LOAD);
  return [
    `${machineText(machine)}; ${documents} documents (${source}), ${characters} characters, ${first?.ours.tokens} tokens; ` +
      `medians of ${repeats} repeats, in turns; ratio: median [least – greatest] of the repeats' own ratios.`,
    ...new Set([...skipped, ...differing]),
    ...disturbed.map(
      ({ threads, otherLoad }) =>
        `${threads === 1 ? '1 thread' : `${threads} threads`}: other programs kept ${otherLoad.median.toFixed(2)} processors busy meanwhile. ` +
        'Measure again on an idle machine: these figures cannot be trusted.',
    ),
  ];
}
