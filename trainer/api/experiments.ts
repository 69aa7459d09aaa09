/** Series of runs that answer a question. They are loaded when they are begun. */
import type { AblationOptions, AblationResult } from '../experiments/ablate.ts';
import type { CurveOptions, CurveResult } from '../experiments/curve.ts';

/**
 * Measures what labels are worth on one's own data (Howard & Ruder 2018, figure 3): classifiers are trained on few labels, from scratch and
 * from a language model, with several seeds, and judged on the same test part. Writes a plot, a table and all figures.
 *
 * @param data labelled documents
 * @throws UserError for data that cannot be read or is too little, a model that is no language model, or an `out` in use
 * @example
 * const { curve } = await measureCurve('reviews.csv', { from: 'models/wiki-small', out: 'runs/curve', labels: [20, 40] });
 */
export async function measureCurve(data: string, options: CurveOptions): Promise<CurveResult> {
  return (await import('../experiments/curve.ts')).measureCurve(data, options);
}

/**
 * Rows of the paper's tables 4 to 7 on one's own data: what each part of the method brings.
 *
 * @param data labelled documents
 * @throws UserError for data that cannot be read, an unknown row, a model that is no language model, or an `out` in use
 * @example
 * const { ablation } = await ablate('reviews.csv', { from: 'models/wiki-small', out: 'runs/ablation', rows: ['table6'] });
 */
export async function ablate(data: string, options: AblationOptions): Promise<AblationResult> {
  return (await import('../experiments/ablate.ts')).ablate(data, options);
}
