import { isPair, readMembers } from '../checkpoint/modelFolder.ts';
import { evaluateClassifier } from '../recipe/evaluate.ts';
import { readSets, type SplitConfig } from '../recipe/heldOut.ts';
import { writeEvaluation, type ClassifierEvaluation } from '../report/evaluation.ts';
import { writeRunReport } from '../report/runReport.ts';
import type { RunResult, RunSettings } from './run.ts';

/** Leaves what each classifier, and a pair together, answers to the held-out documents in their folders: the reports show it. */
export async function judgeHeldOut({ out, members }: RunResult, config: SplitConfig, onNote: RunSettings['onNote']): Promise<void> {
  const { validation } = await readSets(config);
  if (validation.length === 0) return;
  for (const member of members) {
    await writeEvaluation(member.out, evaluateClassifier(await readMembers(member.out), validation));
    await writeRunReport(member.out);
  }
  if (!(await isPair(out))) return;
  const evaluation = evaluateClassifier(await readMembers(out), validation);
  await writeEvaluation(out, evaluation);
  await writeRunReport(out);
  onNote?.(`both directions together: ${inShort(evaluation)}`);
}

function inShort(evaluation: ClassifierEvaluation): string {
  if (evaluation.task === 'singleLabel') return `accuracy ${evaluation.metrics.accuracy.toFixed(4)}`;
  if (evaluation.task === 'multiLabel') return `micro F1 ${evaluation.metrics.microF1.toFixed(4)}`;
  return `root mean squared error ${evaluation.metrics.rootMeanSquaredError.toFixed(4)}`;
}
