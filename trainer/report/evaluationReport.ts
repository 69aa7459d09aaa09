import { basename, resolve } from 'node:path';

import { writeFileAtomically } from '../checkpoint/atomicFile.ts';
import type { Evaluation } from './evaluation.ts';
import { evaluationFigures, evaluationSections } from './evaluationSections.ts';
import { renderPage } from './page.ts';

/**
 * Writes an evaluation as a page that stands alone.
 *
 * @param path the HTML file to write
 * @param of the model folder and the data that it was evaluated on, to name them
 * @throws UserError where the file cannot be written
 * @example
 * await writeEvaluationReport('reviews.html', await evaluateModel('models/reviews', 'test.csv'), { model: 'models/reviews', data: 'test.csv' });
 */
export async function writeEvaluationReport(
  path: string,
  evaluation: Evaluation,
  of: { readonly model: string; readonly data: string },
): Promise<void> {
  const page = await renderPage({
    title: `Evaluation: ${basename(resolve(of.model))}`,
    lead: `The model in ${of.model}, on ${of.data === '-' ? 'standard input' : of.data}.`,
    figures: evaluationFigures(evaluation),
    sections: await evaluationSections(evaluation),
  });
  await writeFileAtomically(path, [new TextEncoder().encode(page)]);
}
