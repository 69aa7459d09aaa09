/**
 * `ulmfit/trainer`: the three steps, and what is done with their models. For Node. Importing it is cheap: TensorFlow is loaded by the first
 * function that computes, and before that `requestDevice` and `requestPrecision` say where and how.
 */
export { ablate, measureCurve } from './api/experiments.ts';
export { findRate, type FindRateOptions, type FoundRates } from './api/findRate.ts';
export { fit, type FitOptions, type FitResult, type FitStep } from './api/fit.ts';
export { fineTune, type FineTuneOptions } from './api/fineTune.ts';
export {
  calibrateModel,
  evaluateModel,
  explainDocument,
  generateText,
  generateTokens,
  openClassifier,
  openLanguageModel,
  writeEvaluationReport,
} from './api/models.ts';
export { predict, predictionOf, type Prediction } from './api/predict.ts';
export { pretrain, type PretrainOptions } from './api/pretrain.ts';
export type { Direction, Directions, RunResult, RunSettings } from './api/run.ts';
export { train, type TrainOptions } from './api/train.ts';
export { readCorpus } from './data/corpus.ts';
export type { LabelledDocument, ReadOptions } from './data/document.ts';
export { readDocuments } from './data/readers.ts';
export { requestDevice, type DeviceChoice } from './engine/device.ts';
export { installEngine } from './engine/install.ts';
export { requestPrecision, type Precision } from './engine/precision.ts';
export type { AblationOptions, AblationResult } from './experiments/ablate.ts';
export type { CurveOptions, CurveResult } from './experiments/curve.ts';
export { importFastai, type ImportOptions, type ImportSummary } from './import/importFastai.ts';
export type { Task } from './model/task.ts';
export type { CalibrationResult } from './recipe/calibrateModel.ts';
export type { EvaluationColumns } from './recipe/evaluate.ts';
export type { Explanation, ExplainOptions } from '../text/explanation.ts';
export type { GeneratedText, GenerateOptions } from './recipe/generate.ts';
export type { TrainedClassifier } from './recipe/trainedClassifier.ts';
export type { TrainedLanguageModel } from './recipe/trainedLanguageModel.ts';
export type { StepReport } from './recipe/trainingLoop.ts';
export type { Evaluation } from './report/evaluation.ts';
