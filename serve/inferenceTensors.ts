/** Texts and answers as tensors of the Open Inference Protocol. */
import type * as v from 'valibot';

import { outputCount, type Bundle } from '../export/bundle.ts';
import { answerOf, type MemberLogits } from './answers.ts';
import { HttpError } from './errors.ts';
import type { InferRequest, inferResponseSchema, modelMetadataSchema, OutputName } from './inferenceSchema.ts';
import { INPUT_NAME } from './inferenceSchema.ts';
import type { LabelScore } from './schema.ts';

type OutputTensor = v.InferOutput<typeof inferResponseSchema>['outputs'][number];
type TensorMetadata = v.InferOutput<typeof modelMetadataSchema>['outputs'][number];

/** What a model's input looks like: any number of texts. */
export const INPUTS: TensorMetadata[] = [{ name: INPUT_NAME, datatype: 'BYTES', shape: [-1] }];

/**
 * What a model answers with. `scores` has a row for each text, with a probability for each label in the order of `labels`; `label` is the
 * likeliest one, which only exists where a text has one label; `value` is what a regression says.
 */
export function outputsOf(bundle: Bundle): TensorMetadata[] {
  if (bundle.task === 'regression') return [{ name: 'value', datatype: 'FP32', shape: [-1] }];
  const labels = outputCount(bundle);
  return [
    ...(bundle.task === 'singleLabel' ? [{ name: 'label', datatype: 'BYTES', shape: [-1] }] : []),
    { name: 'scores', datatype: 'FP32', shape: [-1, labels] },
    { name: 'labels', datatype: 'BYTES', shape: [labels] },
  ];
}

/**
 * The texts of a request.
 *
 * @throws HttpError 400 when the data do not have the shape that they say.
 */
export function textsOf({ inputs: [input] }: InferRequest): string[] {
  const { shape = [], data = [] } = input ?? {};
  const [rows = 0, columns = 1] = shape;
  if (columns !== 1) throw new HttpError(400, 'invalid_request', `inputs[0].shape must be [${rows}] or [${rows}, 1].`);
  const texts = data.flat();
  const isFlat = data.every((row) => typeof row === 'string');
  const isRows = shape.length === 2 && data.every((row) => Array.isArray(row) && row.length === 1);
  if (!isFlat && !isRows) {
    throw new HttpError(
      400,
      'invalid_request',
      'inputs[0].data must be an array of strings, or of arrays of one string for the shape [n, 1].',
    );
  }
  if (texts.length !== rows) {
    throw new HttpError(400, 'invalid_request', `inputs[0].data has ${texts.length} texts, but inputs[0].shape says ${rows}.`);
  }
  return texts;
}

/**
 * The answers as tensors: those asked for, in their order, or all.
 *
 * @throws HttpError 400 when one is asked for that the model does not have.
 */
export function outputTensors(bundle: Bundle, logits: readonly MemberLogits[], asked: InferRequest['outputs']): OutputTensor[] {
  const known = outputsOf(bundle).map(({ name }) => name as OutputName);
  const names = asked === undefined || asked.length === 0 ? known : asked.map(({ name }) => name);
  const foreign = names.find((name) => !known.includes(name));
  if (foreign !== undefined) {
    throw new HttpError(
      400,
      'invalid_request',
      `The model has no output "${foreign}"; it has ${known.map((name) => `"${name}"`).join(', ')}.`,
    );
  }
  return names.map((name) => outputTensor(name, bundle, logits));
}

function outputTensor(name: OutputName, bundle: Bundle, logits: readonly MemberLogits[]): OutputTensor {
  const { labels } = bundle;
  const answers = logits.map((members) => answerOf(bundle, members));
  switch (name) {
    case 'labels':
      return { name, datatype: 'BYTES', shape: [labels.length], data: [...labels] };
    case 'label':
      return { name, datatype: 'BYTES', shape: [answers.length], data: answers.map((answer) => scoresIn(answer)[0]?.label ?? '') };
    case 'scores':
      return {
        name,
        datatype: 'FP32',
        shape: [answers.length, labels.length],
        data: answers.flatMap((answer) => {
          const byLabel = new Map(scoresIn(answer).map(({ label, score }) => [label, score]));
          return labels.map((label) => Math.fround(byLabel.get(label) ?? Number.NaN));
        }),
      };
    case 'value':
      return {
        name,
        datatype: 'FP32',
        shape: [answers.length],
        data: answers.map((answer) => Math.fround('value' in answer ? answer.value : Number.NaN)),
      };
  }
}

function scoresIn(answer: ReturnType<typeof answerOf>): readonly LabelScore[] {
  if ('value' in answer) return [];
  return 'scores' in answer ? answer.scores : answer;
}
