import { stat } from 'node:fs/promises';
import { dirname, extname } from 'node:path';

import { predictionOf } from '../api/predict.ts';
import { writeFileAtomically } from '../checkpoint/atomicFile.ts';
import { PARQUET_EXTENSION, readDocuments } from '../data/readers.ts';
import { explanationJson } from '../report/explanation.ts';
import { explanationPage } from '../report/explanationPage.ts';
import { explanationText } from '../report/explanationText.ts';
import { percent } from '../report/tables.ts';
import { printJson, printLine } from '../report/results.ts';
import { UserError } from '../../text/errors.ts';
import type { Explanation } from '../../text/explanation.ts';
import { openAnswerer, type TextAnswerer } from './answerers.ts';
import type { PredictOptions } from './options.ts';
import { documentBlocks, predictToFile } from './predictToFile.ts';

/**
 * `ulmfit predict`: labels of texts, the likeliest first. With `--json` one object a text: `{"label", "score", "scores"}`, for several
 * labels a text `{"labels", "scores"}`, for regression `{"value"}`; with `--out` the same into a file, in a run that can be interrupted and
 * resumed. With `--explain` what each answer hangs on as well, and as a page with `--html`.
 *
 * @param folder a model folder, or a bundle
 * @throws UserError where there is no text, or a file or the model cannot be read
 */
export async function predict(folder: string, texts: readonly string[], options: PredictOptions): Promise<void> {
  const { file, out, html, explain = html !== undefined } = options;
  if (texts.length === 0 && file === undefined) {
    throw new UserError('There is nothing to predict. Give texts in quotes, or a file with --file; "--file -" is standard input.');
  }
  if (options.resume === true && out === undefined) throw new UserError('--resume goes on with a file of answers. Name it with --out.');
  if (html !== undefined) await refuseImpossiblePath(html);
  const classifier = await openAnswerer(folder);
  try {
    if (explain) await explainAll(folder, classifier, texts, options);
    else if (out !== undefined) await answerToFile(out, classifier, texts, options);
    else await answerAll(classifier, texts, options);
  } finally {
    await classifier.dispose();
  }
}

async function answerAll(classifier: TextAnswerer, texts: readonly string[], options: PredictOptions): Promise<void> {
  for await (const block of documentBlocks(allTexts(texts, options))) {
    for (const answer of await classifier.answers(block)) {
      if (options.json) await printJson(answerJson(classifier, answer, options));
      else await printLine(answerLine(classifier, answer, options));
    }
  }
}

async function answerToFile(out: string, classifier: TextAnswerer, texts: readonly string[], options: PredictOptions): Promise<void> {
  const { file, text, topK, resume = false } = options;
  await predictToFile(classifier, {
    out,
    resume,
    settings: JSON.stringify({ text, topK }),
    bytes: file === undefined ? undefined : await sizeOf(file),
    documents: (onBytes) => allTexts(texts, options, onBytes),
    line: (answer) => JSON.stringify(answerJson(classifier, answer, options)),
  });
}

/** The bytes that will be read of the data, where that is known beforehand. */
async function sizeOf(file: string): Promise<number | undefined> {
  if (file === '-' || extname(file).toLowerCase() === PARQUET_EXTENSION) return undefined;
  const found = await stat(file).catch(() => undefined); // whoever reads it says what is wrong with it
  return found?.isFile() ? found.size : undefined;
}

/** One text at a time: an explanation takes as long as many answers. */
async function explainAll(folder: string, classifier: TextAnswerer, texts: readonly string[], options: PredictOptions): Promise<void> {
  const { isTTY, columns } = process.stdout;
  const colour = isTTY && process.stdout.hasColors(); // which looks at NO_COLOR
  const explanations: Explanation[] = [];
  for await (const fields of allTexts(texts, options)) {
    const explanation = await classifier.explain(fields);
    if (options.html !== undefined) explanations.push(explanation);
    if (options.json) {
      await printJson({ ...answerJson(classifier, explanation.answer, options), ...explanationJson(explanation) });
      continue;
    }
    await printLine(`${answerLine(classifier, explanation.answer, options)}\n\n${explanationText(explanation, { colour, columns })}\n`);
  }
  if (options.html === undefined) return;
  const page = await explanationPage(explanations, { model: folder });
  await writeFileAtomically(options.html, [new TextEncoder().encode(page)]);
  console.error(`Written to ${options.html}.`);
}

/** Explaining takes its time, so a page that cannot be written is refused before. */
async function refuseImpossiblePath(path: string): Promise<void> {
  const isFolder = (name: string): Promise<boolean> =>
    stat(name).then(
      (found) => found.isDirectory(),
      () => false,
    );
  if (await isFolder(path)) throw new UserError(`--html ${path} is a folder. Give the name of a file, such as ${path}/explained.html.`);
  if (!(await isFolder(dirname(path))))
    throw new UserError(`--html ${path} cannot be written: there is no folder ${dirname(path)}. Make it first.`);
}

async function* allTexts(
  texts: readonly string[],
  { file, text }: PredictOptions,
  onBytes?: (bytes: number) => void,
): AsyncGenerator<readonly string[]> {
  for (const given of texts) yield [given];
  if (file === undefined) return;
  for await (const { fields } of readDocuments(file, { text, labels: 'ignored', onBytes })) yield fields;
}

function answerJson(classifier: TextAnswerer, answer: Float32Array, { topK }: PredictOptions): object {
  const { task: _, ...prediction } = predictionOf(classifier, answer, topK);
  if (!('scores' in prediction)) return prediction;
  return { ...prediction, scores: Object.fromEntries(prediction.scores.map(({ label, score }) => [label, score])) };
}

function answerLine(classifier: TextAnswerer, answer: Float32Array, { topK }: PredictOptions): string {
  const prediction = predictionOf(classifier, answer, topK);
  if (prediction.task === 'regression') return String(Number(prediction.value.toPrecision(6)));
  return prediction.scores.map(({ label, score }) => `${label} ${percent(score)}`).join('  ');
}
