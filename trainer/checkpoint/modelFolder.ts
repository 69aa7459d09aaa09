import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { UserError } from '../../text/errors.ts';
import { TOKENIZER_VERSION } from '../../text/tokenizer.ts';
import { Vocabulary } from '../../text/vocabulary.ts';
import { classifierShapes, languageModelShapes } from '../model/parameters.ts';
import { outputsOf, TASKS } from '../model/task.ts';
import { writeFileAtomically } from './atomicFile.ts';
import { floatValues, readSafetensors, toFloat16, writeSafetensors, type Tensor as FileTensor } from './safetensors.ts';
import { locateModel, orName, shippedModels } from '../shippedModels.ts';

const positive = v.pipe(v.number(), v.integer(), v.minValue(1));

/** Version of model.json that this program writes and reads. */
export const MODEL_SCHEMA_VERSION = 1;

/** model.json: all that is needed to rebuild the model from its tensors. */
export const modelSchema = v.object({
  schemaVersion: v.literal(MODEL_SCHEMA_VERSION),
  kind: v.picklist(['languageModel', 'classifier']),
  /** The tokenizer whose ids the model was trained on. */
  tokenizerVersion: v.number(),
  direction: v.picklist(['forward', 'backward']),
  sizes: v.object({ vocabulary: positive, embedding: positive, hidden: positive, layers: positive }),
  /** What a classifier answers with: one label (where missing), any of its labels, or a number. */
  task: v.optional(v.picklist(TASKS)),
  /** A classifier's classes, in the order of its outputs; none for regression. */
  labels: v.optional(v.array(v.string())),
  /** Regression between bounds: the answer is low + (high − low) · sigmoid(output). */
  range: v.optional(
    v.pipe(
      v.strictTuple([v.number(), v.number()]),
      v.check(([low, high]) => low < high, 'the first number must be the smaller one'),
    ),
  ),
  /** Logits are divided by it before they become probabilities (Guo et al. 2017); missing: 1. */
  temperature: v.optional(v.pipe(v.number(), v.gtValue(0), v.finite())),
  /** Tokens in a chunk of text when the model was trained. */
  chunkLength: positive,
  /** What was measured at the end of training. */
  metrics: v.optional(v.record(v.string(), v.number())),
  dataLicence: v.optional(v.string()),
  created: v.string(),
});

export type ModelDescription = v.InferOutput<typeof modelSchema>;

/** A tensor on the host, float32, row-major. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Everything in a model folder. */
export interface StoredModel {
  readonly description: ModelDescription;
  readonly tensors: ReadonlyMap<string, HostTensor>;
  readonly vocabulary: Vocabulary;
}

export interface WriteModelOptions {
  /** The model card, Markdown. */
  readonly card: string;
  /** `F16` halves the file; the weights lose the last 13 bits. */
  readonly precision?: 'F32' | 'F16';
}

/** Writes model.safetensors, vocabulary.json and README.md, and model.json last: a folder with model.json is complete. */
export async function writeModel(folder: string, model: StoredModel, { card, precision = 'F32' }: WriteModelOptions): Promise<void> {
  await mkdir(folder, { recursive: true });
  const tensors = new Map<string, FileTensor>();
  for (const [name, { shape, data }] of model.tensors) {
    tensors.set(name, precision === 'F32' ? { dtype: 'F32', shape, data } : { dtype: 'F16', shape, data: toFloat16(data) });
  }
  await writeSafetensors(join(folder, 'model.safetensors'), tensors);
  await writeText(join(folder, 'vocabulary.json'), `${JSON.stringify(model.vocabulary.tokens, null, 0)}\n`);
  await writeText(join(folder, 'README.md'), card);
  await writeText(join(folder, 'model.json'), `${JSON.stringify(model.description, null, 2)}\n`);
}

async function writeText(path: string, text: string): Promise<void> {
  await writeFileAtomically(path, [new TextEncoder().encode(text)]);
}

/**
 * Reads a model folder and checks that its parts fit together.
 *
 * @throws UserError when something is missing, broken, of another kind, or made by another version of the tokenizer
 */
export async function readModel(folder: string, kind?: ModelDescription['kind']): Promise<StoredModel> {
  const description = await readDescription(folder);
  if (kind !== undefined && description.kind !== kind) {
    throw new UserError(`${folder} holds a ${words(description.kind)}, but a ${words(kind)} is needed here.`);
  }
  const vocabulary = await readVocabulary(folder, description);
  const shapes =
    description.kind === 'languageModel'
      ? languageModelShapes(description.sizes)
      : classifierShapes(description.sizes, outputsOf(description.task, description.labels));
  const file = await readSafetensors(join(folder, 'model.safetensors'));
  const tensors = new Map<string, HostTensor>();
  for (const [name, shape] of shapes) {
    try {
      tensors.set(name, { shape, data: floatValues(file.tensors, name, shape) });
    } catch (error) {
      if (error instanceof UserError) throw new UserError(`${join(folder, 'model.safetensors')}: ${error.message}`);
      throw error;
    }
  }
  return { description, tensors, vocabulary };
}

/** The folders of a pair: two models of the same texts, one of which reads every text from its end to its beginning. */
export const PAIR = ['forward', 'backward'] as const;

/**
 * Reads a model folder, or both models of a pair folder, the forward one first.
 *
 * @param pathOrName the folder, or the name of a model that came with this program
 * @throws UserError as {@link readModel} does, and where the models of a pair do not belong together
 */
export async function readMembers(pathOrName: string, kind?: ModelDescription['kind']): Promise<StoredModel[]> {
  const folder = await locateModel(pathOrName);
  if (!(await isPair(folder))) return [await readModel(folder, kind)];
  const members: StoredModel[] = [];
  for (const direction of PAIR) {
    const path = join(folder, direction);
    const model = await readModel(path, kind);
    if (model.description.direction !== direction) {
      throw new UserError(`${path} holds a ${model.description.direction} model. The two folders of ${folder} must be named by direction.`);
    }
    members.push(model);
  }
  const [forward, backward] = members.map(({ description }) => description) as [ModelDescription, ModelDescription];
  for (const name of ['kind', 'task', 'labels', 'range'] as const) {
    if (JSON.stringify(forward[name]) !== JSON.stringify(backward[name])) {
      throw new UserError(`${folder}: the forward and the backward model differ in ${name}. Train both on the same data.`);
    }
  }
  return members;
}

/** Whether a folder itself holds a model. */
export function isModel(folder: string): Promise<boolean> {
  return exists(join(folder, 'model.json'));
}

/** Whether a folder holds a forward and a backward model. */
export async function isPair(folder: string): Promise<boolean> {
  if (await isModel(folder)) return false;
  return (await Promise.all(PAIR.map((direction) => isModel(join(folder, direction))))).every(Boolean);
}

function words(kind: ModelDescription['kind']): string {
  return kind === 'languageModel' ? 'language model' : 'classifier';
}

async function readDescription(folder: string): Promise<ModelDescription> {
  const path = join(folder, 'model.json');
  if (!(await isFolder(folder))) {
    throw new UserError(
      `There is no model folder ${folder}. Give the path of a folder that holds model.json${orName(await shippedModels())}.`,
    );
  }
  const json = await readJson(path, `${folder} is not a model folder: model.json is missing. A folder of an unfinished run has none yet.`);
  const version = typeof json === 'object' && json !== null && 'schemaVersion' in json ? Number(json.schemaVersion) : Number.NaN;
  if (version > MODEL_SCHEMA_VERSION) {
    throw new UserError(`${path} was written by a newer version of ulmfit (schema ${version}). Update ulmfit to read it.`);
  }
  const parsed = v.safeParse(modelSchema, json);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new UserError(`${path}: ${v.getDotPath(issue) ?? 'the file'} is wrong: ${issue.message}.`);
  }
  const description = parsed.output;
  if (description.tokenizerVersion !== TOKENIZER_VERSION) {
    throw new UserError(
      `${folder} was trained with tokenizer version ${description.tokenizerVersion}, but this ulmfit has version ${TOKENIZER_VERSION}. ` +
        'Use the ulmfit it was made with, or train it again.',
    );
  }
  if (description.kind === 'classifier' && description.task !== 'regression' && (description.labels?.length ?? 0) < 2) {
    throw new UserError(`${path}: a classifier needs at least two labels.`);
  }
  return description;
}

async function readVocabulary(folder: string, description: ModelDescription): Promise<Vocabulary> {
  const path = join(folder, 'vocabulary.json');
  const json = await readJson(path, `${path} is missing; the model folder is not complete.`);
  if (!Array.isArray(json) || !json.every((token) => typeof token === 'string')) {
    throw new UserError(`${path} must be a JSON array of strings.`);
  }
  if (json.length !== description.sizes.vocabulary) {
    throw new UserError(
      `${path} has ${json.length} tokens, but the model has ${description.sizes.vocabulary}. They do not belong together.`,
    );
  }
  return Vocabulary.fromTokens(json);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function readJson(path: string, whenMissing: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    throw new UserError(whenMissing);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new UserError(`${path} is not valid JSON; the file is damaged.`);
  }
}
