import { importFastai, type ImportSummary } from '../import/importFastai.ts';
import { figure } from '../report/modelCard.ts';
import { printJson } from '../report/results.ts';

export interface ImportFastaiOptions {
  readonly vocab: string;
  readonly out: string;
  readonly direction?: 'forward' | 'backward' | undefined;
  readonly labels?: readonly string[] | undefined;
  readonly multiLabel?: boolean | undefined;
  readonly dataLicence?: string | undefined;
  readonly json?: boolean | undefined;
}

const HELD: Readonly<Record<ImportSummary['holds'], string>> = {
  languageModel: 'a language model',
  encoder: 'an encoder, now a language model',
  classifier: 'a classifier',
};

/**
 * `ulmfit import-fastai`: a model folder of fastai's weights.
 *
 * @throws UserError where a file is not what it ought to be; then nothing is written
 */
export async function importFastaiCommand(weights: string, { vocab, json, ...given }: ImportFastaiOptions): Promise<void> {
  const summary = await importFastai(weights, { vocabulary: vocab, ...given });
  if (json) return printJson(summary);
  const { sizes, holds, direction, out, notes } = summary;
  console.error(
    `Written to ${out}: ${HELD[holds]} (${direction}), ${sizes.layers} layers, embedding ${sizes.embedding}, hidden ${sizes.hidden}, ` +
      `vocabulary ${figure(sizes.vocabulary)}.`,
  );
  for (const note of notes) console.error(note);
}
