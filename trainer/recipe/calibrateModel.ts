import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { writeFileAtomically } from '../checkpoint/atomicFile.ts';
import { isPair, readMembers, type StoredModel } from '../checkpoint/modelFolder.ts';
import { locateModel } from '../shippedModels.ts';
import { targetOf } from '../data/labelledSet.ts';
import type { Reliability } from '../report/evaluation.ts';
import { UserError } from '../../text/errors.ts';
import { classifierAnswers } from './classifierTask.ts';
import { type EvaluationColumns, readForClassifier } from './evaluate.ts';
import { bestTemperature, reliabilityOf } from './judgeAnswers.ts';
import { type ClassifierMember, TrainedClassifier } from './trainedClassifier.ts';

/** What calibrating a model did. */
export interface CalibrationResult {
  /** Documents it was done with. */
  readonly n: number;
  /** The model, or both models of a pair. */
  readonly members: readonly {
    readonly folder: string;
    /** Its temperature before; 1 where it had none. */
    readonly before: number;
    readonly temperature: number;
  }[];
  /** Of the answers: of a pair, of the mean of both. */
  readonly before: Pick<Reliability, 'loss' | 'calibrationError'>;
  readonly after: Pick<Reliability, 'loss' | 'calibrationError'>;
}

/** With fewer documents, chance decides more than the model. */
const FEWEST_DOCUMENTS = 20;

/**
 * Gives a classifier the temperature for which its loss on held-out documents is least (Guo et al. 2017, section 4.2), so that its
 * probabilities can be taken at their word. Writes it into model.json. The labels that a model gives stay the same. Each model of a pair
 * gets its own temperature, so that the mean of both may give another label where they disagree.
 *
 * @param data labelled documents that the classifier was not trained on
 * @throws UserError for a model that is no classifier or has no probabilities, for data that cannot be read, and for too few documents
 * @example
 * const { members, before, after } = await calibrateModel('models/reviews', 'held-out.csv');
 */
export async function calibrateModel(folder: string, data: string, columns: EvaluationColumns = {}): Promise<CalibrationResult> {
  const models = await readMembers(folder, 'classifier');
  if ((await locateModel(folder)) !== folder) {
    throw new UserError(
      `"${folder}" came with ulmfit and is not changed. Copy its folder, ${await locateModel(folder)}, and calibrate the copy.`,
    );
  }
  const task = models[0]?.description.task ?? 'singleLabel';
  if (task === 'regression') throw new UserError(`${folder} answers with numbers, not with probabilities: there is nothing to calibrate.`);
  const documents = await readForClassifier(models, data, columns);
  if (documents.length < FEWEST_DOCUMENTS) {
    throw new UserError(
      `${data} has ${documents.length} documents, too few to calibrate with. Give at least ${FEWEST_DOCUMENTS} that the model was not trained on.`,
    );
  }
  const labels = models[0]?.description.labels ?? [];
  const targets = documents.map((document) => targetOf(document, task, labels));
  const texts = documents.map(({ fields }) => fields);
  const classifier = new TrainedClassifier(models);
  const temperatures = classifier.members.map((member) => bestTemperature(task, logits(member, texts), targets));
  const before = reliabilityOf(task, targets, classifier.answers(texts));
  classifier.dispose();
  const calibrated = new TrainedClassifier(models.map((model, index) => withTemperature(model, temperatures[index] ?? 1)));
  const after = reliabilityOf(task, targets, calibrated.answers(texts));
  calibrated.dispose();

  const paired = await isPair(folder);
  const members = [];
  for (const [index, { description }] of models.entries()) {
    const own = paired ? join(folder, description.direction) : folder;
    const temperature = temperatures[index] ?? 1;
    await storeTemperature(own, temperature);
    members.push({ folder: own, before: description.temperature ?? 1, temperature });
  }
  return { n: documents.length, members, before: shares(before), after: shares(after) };
}

/** A model's outputs as they are, before they are divided. */
function logits(member: ClassifierMember, texts: readonly (readonly string[])[]): Float32Array[] {
  const { sizes, chunkLength } = member.model.description;
  const documents = texts.map((fields) => member.encode(fields));
  // Numbers without bounds are answered with as they come out of the last layer.
  return classifierAnswers(sizes, member.parameters, documents, { bptt: chunkLength }, { task: 'regression' });
}

function withTemperature(model: StoredModel, temperature: number): StoredModel {
  return { ...model, description: { ...model.description, temperature } };
}

/** Nothing else in model.json changes, also what a later version may have added. */
async function storeTemperature(folder: string, temperature: number): Promise<void> {
  const path = join(folder, 'model.json');
  const description = JSON.parse(await readFile(path, 'utf8')) as object;
  const text = `${JSON.stringify({ ...description, temperature }, null, 2)}\n`;
  await writeFileAtomically(path, [new TextEncoder().encode(text)]);
}

function shares({ loss, calibrationError }: Reliability | ReturnType<typeof reliabilityOf>): CalibrationResult['before'] {
  return { loss, calibrationError };
}
