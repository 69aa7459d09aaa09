import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { writeFileAtomically } from '../checkpoint/atomicFile.ts';
import { UserError } from '../../text/errors.ts';
import type { ClassifierMetrics, MultiLabelMetrics, RegressionMetrics } from './metrics.ts';
import type { ReliabilityBin } from './reliability.ts';

/** The file of a run folder that holds how its model did on held-out documents. */
export const EVALUATION_FILE = 'evaluation.json';

/** Version of evaluation.json that this program writes and reads. */
const SCHEMA_VERSION = 1;

/** How far a classifier's probabilities can be taken at their word, at one temperature. */
export interface Reliability {
  /** `given`: as the model answers; `unscaled`: without its temperature; `fitted`: with the temperature that suits these documents best. */
  readonly answers: 'given' | 'unscaled' | 'fitted';
  /** What its logits are divided by; missing for the averaged answers of several models. */
  readonly temperature?: number;
  /** Mean cross-entropy, nats. */
  readonly loss: number;
  readonly calibrationError: number;
  readonly bins: readonly ReliabilityBin[];
}

/** A document that got the wrong label. */
export interface WrongLabel {
  /** Cut where it is long. */
  readonly text: string;
  readonly wanted: string;
  readonly given: string;
  /** Of the given label. */
  readonly probability: number;
  readonly wantedProbability: number;
}

/** A document that got labels it does not have, or lacks some that it has. */
export interface WrongLabels {
  readonly text: string;
  readonly wanted: readonly string[];
  readonly given: readonly string[];
  /** Labels that are wrong, with their probabilities. */
  readonly wrong: readonly { readonly label: string; readonly probability: number }[];
}

/** A document that got a number far from its own. */
export interface WrongNumber {
  readonly text: string;
  readonly wanted: number;
  readonly given: number;
}

export interface SingleLabelEvaluation {
  readonly task: 'singleLabel';
  readonly labels: readonly string[];
  readonly metrics: ClassifierMetrics;
  /** As the model answers first. */
  readonly reliability: readonly Reliability[];
  /** The worst first. */
  readonly mostWrong: readonly WrongLabel[];
}

export interface MultiLabelEvaluation {
  readonly task: 'multiLabel';
  readonly labels: readonly string[];
  readonly metrics: MultiLabelMetrics;
  readonly reliability: readonly Reliability[];
  readonly mostWrong: readonly WrongLabels[];
}

export interface RegressionEvaluation {
  readonly task: 'regression';
  readonly metrics: RegressionMetrics;
  /** Wanted and given number of each document, or of some of many. */
  readonly points: readonly (readonly [wanted: number, given: number])[];
  readonly mostWrong: readonly WrongNumber[];
}

/** How a language model did on text. */
export interface LanguageModelMetrics {
  /** Tokens judged. */
  readonly n: number;
  /** Mean cross-entropy, nats a token. */
  readonly loss: number;
  readonly perplexity: number;
  /** Share of the tokens that are not in the vocabulary. */
  readonly unknownRate: number;
}

export interface LanguageModelEvaluation {
  readonly task: 'languageModel';
  /** The model, or both models of a pair. */
  readonly members: readonly { readonly direction: 'forward' | 'backward'; readonly metrics: LanguageModelMetrics }[];
}

/** How a classifier did on labelled documents: figures, and what a person wants to look at. */
export type ClassifierEvaluation = SingleLabelEvaluation | MultiLabelEvaluation | RegressionEvaluation;

/** How a model did on data. Plain values that JSON keeps, of a size that does not grow with the data. */
export type Evaluation = ClassifierEvaluation | LanguageModelEvaluation;

/** Keeps an evaluation in a run folder, for its report. */
export async function writeEvaluation(folder: string, evaluation: Evaluation): Promise<void> {
  const json = JSON.stringify({ schemaVersion: SCHEMA_VERSION, ...evaluation });
  await writeFileAtomically(join(folder, EVALUATION_FILE), [new TextEncoder().encode(`${json}\n`)]);
}

/**
 * The evaluation that a run folder keeps; undefined where there is none.
 *
 * @throws UserError for a file that this program did not write
 */
export async function readEvaluation(folder: string): Promise<Evaluation | undefined> {
  const path = join(folder, EVALUATION_FILE);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const { schemaVersion, ...evaluation } = parse(text);
  if (schemaVersion !== SCHEMA_VERSION) {
    throw new UserError(
      `${path} is damaged, or of another version of ulmfit. Remove it; "ulmfit evaluate --report" makes such figures anew.`,
    );
  }
  return evaluation as unknown as Evaluation;
}

function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}
