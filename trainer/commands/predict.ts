import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';

import { predictionOf } from '../api/predict.ts';
import { writeFileAtomically } from '../checkpoint/atomicFile.ts';
import { readDocuments } from '../data/readers.ts';
import { explainDocument, type Explanation } from '../recipe/explain.ts';
import { TrainedClassifier } from '../recipe/trainedClassifier.ts';
import { explanationJson } from '../report/explanation.ts';
import { explanationPage } from '../report/explanationPage.ts';
import { explanationText } from '../report/explanationText.ts';
import { percent } from '../report/tables.ts';
import { printJson, printLine } from '../report/results.ts';
import { UserError } from '../../text/errors.ts';
import type { PredictOptions } from './options.ts';

/** Documents read and answered at a time, so that a file of any size takes little memory. */
const AT_ONCE = 256;

/**
 * `ulmfit predict`: labels of texts, the likeliest first. With `--json` one object a text: `{"label", "score", "scores"}`, for several
 * labels a text `{"labels", "scores"}`, for regression `{"value"}`. With `--explain` what each answer hangs on as well, and as a page
 * with `--html`.
 *
 * @throws UserError where there is no text, or a file or the model cannot be read
 */
export async function predict(folder: string, texts: readonly string[], options: PredictOptions): Promise<void> {
  if (texts.length === 0 && options.file === undefined) {
    throw new UserError('There is nothing to predict. Give texts in quotes, or a file with --file; "--file -" is standard input.');
  }
  if (options.html !== undefined) await refuseImpossiblePath(options.html);
  const classifier = await TrainedClassifier.open(folder);
  if (options.explain === true || options.html !== undefined) await explainAll(folder, classifier, texts, options);
  else await answerAll(classifier, texts, options);
  classifier.dispose();
}

async function answerAll(classifier: TrainedClassifier, texts: readonly string[], options: PredictOptions): Promise<void> {
  for await (const group of groups(allTexts(texts, options))) {
    for (const answer of classifier.answers(group)) {
      if (options.json) await printJson(answerJson(classifier, answer, options));
      else await printLine(answerLine(classifier, answer, options));
    }
  }
}

/** One text at a time: an explanation takes as long as many answers. */
async function explainAll(folder: string, classifier: TrainedClassifier, texts: readonly string[], options: PredictOptions): Promise<void> {
  const { isTTY, columns } = process.stdout;
  const colour = isTTY && process.stdout.hasColors(); // which looks at NO_COLOR
  const explanations: Explanation[] = [];
  for await (const fields of allTexts(texts, options)) {
    const explanation = explainDocument(classifier, fields);
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

async function* allTexts(texts: readonly string[], { file, text }: PredictOptions): AsyncGenerator<readonly string[]> {
  for (const given of texts) yield [given];
  if (file === undefined) return;
  for await (const { fields } of readDocuments(file, { text, labels: 'ignored' })) yield fields;
}

async function* groups<Item>(items: AsyncIterable<Item>): AsyncGenerator<Item[]> {
  let group: Item[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length === AT_ONCE) {
      yield group;
      group = [];
    }
  }
  if (group.length > 0) yield group;
}

function answerJson(classifier: TrainedClassifier, answer: Float32Array, { topK }: PredictOptions): object {
  const { task: _, ...prediction } = predictionOf(classifier, answer, topK);
  if (!('scores' in prediction)) return prediction;
  return { ...prediction, scores: Object.fromEntries(prediction.scores.map(({ label, score }) => [label, score])) };
}

function answerLine(classifier: TrainedClassifier, answer: Float32Array, { topK }: PredictOptions): string {
  const prediction = predictionOf(classifier, answer, topK);
  if (prediction.task === 'regression') return String(Number(prediction.value.toPrecision(6)));
  return prediction.scores.map(({ label, score }) => `${label} ${percent(score)}`).join('  ');
}
