import { readDocuments } from '../data/readers.ts';
import { TrainedClassifier } from '../recipe/trainedClassifier.ts';
import { percent } from '../report/tables.ts';
import { printJson, printLine } from '../report/results.ts';
import { UserError } from '../../text/errors.ts';
import type { PredictOptions } from './options.ts';

/** Documents read and answered at a time, so that a file of any size takes little memory. */
const AT_ONCE = 256;

interface Answer {
  readonly label: string;
  readonly score: number;
}

/**
 * `ulmfit predict`: labels of texts, the likeliest first. With `--json` one object `{"label", "score", "scores"}` a text.
 *
 * @throws UserError where there is no text, or a file or the model cannot be read
 */
export async function predict(folder: string, texts: readonly string[], options: PredictOptions): Promise<void> {
  if (texts.length === 0 && options.file === undefined) {
    throw new UserError('There is nothing to predict. Give texts in quotes, or a file with --file; "--file -" is standard input.');
  }
  const classifier = await TrainedClassifier.open(folder);
  for await (const group of groups(allTexts(texts, options))) {
    const answers = classifier.probabilities(group.map((fields) => classifier.encode(fields)));
    for (const probabilities of answers)
      await print(ranked(classifier.labels, probabilities).slice(0, options.topK), options.json ?? false);
  }
  classifier.dispose();
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

function ranked(labels: readonly string[], probabilities: Float32Array): Answer[] {
  return labels.map((label, index) => ({ label, score: probabilities[index] ?? 0 })).toSorted((a, b) => b.score - a.score);
}

async function print(answers: readonly Answer[], json: boolean): Promise<void> {
  const [best] = answers;
  if (best === undefined) return;
  if (json) await printJson({ ...best, scores: Object.fromEntries(answers.map(({ label, score }) => [label, score])) });
  else await printLine(answers.map(({ label, score }) => `${label} ${percent(score)}`).join('  '));
}
