import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { fit as fitClassifier, type FitOptions, type FitResult, type FitStep } from '../api/fit.ts';
import type { ClassifierEvaluation } from '../report/evaluation.ts';
import { figure } from '../report/modelCard.ts';
import { agreementOf } from '../report/parity.ts';
import { printJson, printLine } from '../report/results.ts';
import { percent } from '../report/tables.ts';
import { answersOf, type AnswerFlags } from './answerFlags.ts';
import { chosen } from './config.ts';
import { bundlePrecisionOf, type BundlePrecisionFlags, type ComputationOptions } from './options.ts';
import { ProgressDisplay, untilInterrupted } from './trainingSession.ts';

interface FitFlags extends AnswerFlags, BundlePrecisionFlags {
  readonly finetune?: boolean;
  readonly json?: boolean;
}

const HEADINGS: Readonly<Record<FitStep, string>> = {
  fineTune: 'Step 2: the language model reads your texts',
  train: 'Step 3: a classifier learns your labels',
  export: 'Export, compared with the trainer',
};

const LABELS: Readonly<Record<FitStep, string>> = { fineTune: 'fine-tuning', train: 'training', export: 'export' };

/** `ulmfit fit`: steps 2 and 3, evaluation and export in one go. */
export async function fit(data: string, command: CommandUnknownOpts): Promise<void> {
  // Where it computes has been settled, and decides nothing.
  const {
    json,
    finetune,
    int8,
    fp16,
    device: _device,
    precision: _precision,
    ...flags
  } = chosen<FitOptions & FitFlags & ComputationOptions>(command);
  const options: FitOptions = { out: '', ...answersOf(flags), fineTuning: finetune, bundlePrecision: bundlePrecisionOf({ int8, fp16 }) };
  let display: ProgressDisplay | undefined;
  const begin = (step: FitStep, isFinished: boolean): void => {
    display?.done();
    display = new ProgressDisplay(LABELS[step]);
    console.error(isFinished ? `${HEADINGS[step]}: done before` : HEADINGS[step]);
  };
  try {
    const result = await untilInterrupted((signal) =>
      fitClassifier(data, {
        ...options,
        signal,
        onBegin: begin,
        onStep: (step) => display?.step(step),
        onNote: (text) => display?.note(text),
      }),
    );
    display?.done();
    await tell(result, json);
  } finally {
    display?.done();
  }
}

async function tell(result: FitResult, json = false): Promise<void> {
  const { out, bundle, report, evaluation, description, interrupted } = result;
  if (interrupted) {
    console.error('Stopped; a checkpoint is saved. Run the same command with --resume to go on.');
    process.exitCode = 1;
    return;
  }
  if (description !== undefined) console.error(`Written to ${bundle}: ${agreementOf(description.parity)}.`);
  if (json) {
    const { languageModel, classifier } = result;
    return printJson({ out, languageModel, classifier, bundle, report, metrics: evaluation?.metrics, parity: description?.parity });
  }
  await printLine(evaluation === undefined ? 'not measured: there are too few documents to hold any out' : headline(evaluation));
  if (report !== undefined) console.error(`What it gets wrong:  ${report}`);
  console.error(`Next:  ulmfit serve ${bundle}`);
}

function headline(evaluation: ClassifierEvaluation): string {
  const documents = `(${evaluation.metrics.n} documents held out)`;
  switch (evaluation.task) {
    case 'singleLabel':
      return `accuracy  ${percent(evaluation.metrics.accuracy)}  ${documents}`;
    case 'multiLabel':
      return `micro F1  ${percent(evaluation.metrics.microF1)}  ${documents}`;
    case 'regression':
      return `root mean squared error  ${figure(evaluation.metrics.rootMeanSquaredError)}  ${documents}`;
  }
}
