import { exportClassifier } from '../api/exportClassifier.ts';
import { agreementOf } from '../report/parity.ts';
import { printJson } from '../report/results.ts';
import { bundlePrecisionOf, type ExportOptions } from './options.ts';

/**
 * `ulmfit export`: a bundle of a classifier, or of both classifiers of a pair folder, written only where its answers equal the
 * trainer's.
 *
 * @throws UserError where the model or the documents cannot be read, or --out holds something else
 * @throws Error where the bundle's answers differ
 */
export async function exportBundle(folder: string, { json, bundleVersion, int8, fp16, ...options }: ExportOptions): Promise<void> {
  const { parity } = await exportClassifier(folder, { ...options, precision: bundlePrecisionOf({ int8, fp16 }), version: bundleVersion });
  if (json) return printJson({ out: options.out, ...parity });
  console.error(`Written to ${options.out}: ${agreementOf(parity)}.`);
}
