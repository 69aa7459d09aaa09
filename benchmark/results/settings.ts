import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import { LANGUAGE_MODEL_UNFREEZING, UNFREEZING } from '../../trainer/optim/unfreezing.ts';
import { UserError } from '../../text/errors.ts';

const positive = v.pipe(v.number(), v.gtValue(0));
const notNegative = v.pipe(v.number(), v.minValue(0));
const count = v.pipe(v.number(), v.integer(), v.minValue(1));
const names = <Name extends string>(table: Readonly<Record<Name, unknown>>) => v.picklist(Object.keys(table) as Name[]);

/** What both steps have in common. */
const common = {
  epochs: v.optional(count),
  batch: v.optional(count),
  bptt: v.optional(count),
  learningRate: v.optional(positive),
  discriminative: v.optional(v.boolean()),
  dropMult: v.optional(notNegative),
  weightDecay: v.optional(notNegative),
};

const languageModel = v.strictObject({ ...common, maxVocab: v.optional(count), unfreezing: v.optional(names(LANGUAGE_MODEL_UNFREEZING)) });
const classifier = v.strictObject({ ...common, bpttWindow: v.optional(count), unfreezing: v.optional(names(UNFREEZING)) });

/**
 * What is not the recipe's own choice, for a set: how its language model is fine-tuned (null: not at all, as it has read the text already), and how
 * classifiers are trained on so many labels, or on `all`.
 */
const settingsSchema = v.strictObject({
  languageModel: v.optional(v.nullable(languageModel), {}),
  classifier: v.optional(v.record(v.pipe(v.string(), v.regex(/^(?:all|\d+)$/, 'it must be "all" or a number of labels')), classifier), {}),
  scratch: v.optional(classifier, {}),
});

export type Settings = v.InferOutput<typeof settingsSchema>;

/**
 * Reads settings; without a file, all are the recipe's.
 *
 * @throws UserError where the file cannot be read or has what it should not
 */
export async function readSettings(path: string | undefined): Promise<Settings> {
  if (path === undefined) return { languageModel: {}, classifier: {}, scratch: {} };
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new UserError(`${path} cannot be read as settings: ${error instanceof Error ? error.message : String(error)}.`);
  }
  const parsed = v.safeParse(settingsSchema, json);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new UserError(`${path}: ${v.getDotPath(issue) ?? 'the file'}: ${issue.message}.`);
}
