import { evaluateModel } from '../recipe/evaluate.ts';
import type { LanguageModelEvaluation, MultiLabelEvaluation, RegressionEvaluation, SingleLabelEvaluation } from '../report/evaluation.ts';
import { figure } from '../report/modelCard.ts';
import { printJson, printLine } from '../report/results.ts';
import { aligned, confusionTable, labelTable, percent } from '../report/tables.ts';
import type { ComputationOptions } from './options.ts';

export interface EvaluateOptions extends ComputationOptions {
  readonly text?: readonly string[] | undefined;
  readonly label?: string | undefined;
  readonly labelSeparator?: string | undefined;
  /** The page to write. */
  readonly report?: string | undefined;
  readonly json?: boolean | undefined;
}

/**
 * `ulmfit evaluate`: what a classifier gets right on labelled documents, or the perplexity of a language model on text; with `--report`
 * also as a page.
 *
 * @throws UserError for data that cannot be read, or labels that the model does not know
 */
export async function evaluate(model: string, data: string, options: EvaluateOptions): Promise<void> {
  const { report, json, ...columns } = options;
  const evaluation = await evaluateModel(model, data, columns);
  if (report !== undefined) {
    const { writeEvaluationReport } = await import('../report/evaluationReport.ts');
    await writeEvaluationReport(report, evaluation, { model, data });
    console.error(`Written to ${report}`);
  }
  if (json) return printJson(evaluation.task === 'languageModel' ? figuresOf(evaluation) : evaluation.metrics);
  switch (evaluation.task) {
    case 'singleLabel':
      return printLabels(evaluation);
    case 'multiLabel':
      return printSeveralLabels(evaluation);
    case 'regression':
      return printNumbers(evaluation);
    case 'languageModel':
      return printLanguageModels(evaluation);
  }
}

/** The figures of a model, or of both of a pair by their direction. */
function figuresOf({ members }: LanguageModelEvaluation): object {
  const [first, ...others] = members;
  if (first !== undefined && others.length === 0) return first.metrics;
  return Object.fromEntries(members.map(({ direction, metrics }) => [direction, metrics]));
}

async function printLabels({ labels, metrics }: SingleLabelEvaluation): Promise<void> {
  await printLine(`accuracy  ${percent(metrics.accuracy)}  (${metrics.n} documents)`);
  await printLine(`loss      ${metrics.loss.toFixed(4)} nats a document`);
  await printLine(`macro F1  ${percent(metrics.macroF1)}`);
  await printLine(`calibration error  ${percent(metrics.calibrationError)}`);
  await printLine('');
  await printLine(confusionTable(labels, metrics));
}

async function printSeveralLabels({ labels, metrics }: MultiLabelEvaluation): Promise<void> {
  await printLine(`micro F1  ${percent(metrics.microF1)}  (${metrics.n} documents)`);
  await printLine(`macro F1  ${percent(metrics.macroF1)}`);
  await printLine(`all labels right  ${percent(metrics.exactMatch)} of the documents`);
  await printLine(`loss      ${metrics.loss.toFixed(4)} nats a label`);
  await printLine(`calibration error  ${percent(metrics.calibrationError)}`);
  await printLine('');
  await printLine(labelTable(labels, metrics));
}

async function printNumbers({ metrics }: RegressionEvaluation): Promise<void> {
  await printLine(
    aligned([
      ['root mean squared error', figure(metrics.rootMeanSquaredError)],
      ['mean absolute error', figure(metrics.meanAbsoluteError)],
      ['R²', metrics.r2.toFixed(4)],
      ['correlation', metrics.pearson.toFixed(4)],
      ['documents', figure(metrics.n)],
    ]),
  );
}

async function printLanguageModels({ members }: LanguageModelEvaluation): Promise<void> {
  for (const { direction, metrics } of members) {
    if (members.length > 1) await printLine(`${direction}:`);
    await printLine(`loss        ${metrics.loss.toFixed(4)} nats a token  (${metrics.n.toLocaleString('en')} tokens)`);
    await printLine(`perplexity  ${metrics.perplexity.toFixed(2)}`);
    await printLine(`unknown     ${percent(metrics.unknownRate)} of the tokens are not in the vocabulary`);
  }
}
