/** Bodies of the Open Inference Protocol, version 2: https://github.com/kserve/open-inference-protocol */
import * as v from 'valibot';

/** The one input: texts. */
export const INPUT_NAME = 'text';
/** What may be asked for, by the task of the model. */
export const OUTPUT_NAMES = ['label', 'scores', 'labels', 'value'] as const;
export type OutputName = (typeof OUTPUT_NAMES)[number];

const name = v.string('must be a string');
const size = v.pipe(
  v.number('must be a whole number'),
  v.safeInteger('must be a whole number'),
  v.minValue(0, 'must be a whole number of at least 0'),
);
/** The protocol lets anybody put parameters anywhere; those that are not known are passed over. */
const anyParameters = v.optional(
  v.record(v.string(), v.union([v.string(), v.number(), v.boolean()], 'must be a string, a number or a boolean'), 'must be an object'),
);

/** As Triton has it: 0 and "" are no sequence. */
const sequenceId = v.union(
  [v.pipe(v.number(), v.safeInteger(), v.minValue(0)), v.pipe(v.string(), v.maxLength(128))],
  'must be a whole number of at least 0, or a string of at most 128 characters',
);
const flag = v.boolean('must be true or false');

const inferParameters = v.objectWithRest(
  {
    /** Requests with the same one bring the pieces of one document, one after the other. */
    sequence_id: v.optional(sequenceId),
    /** The first piece. */
    sequence_start: v.optional(flag),
    /** The last piece. */
    sequence_end: v.optional(flag),
  },
  v.union([v.string(), v.number(), v.boolean()], 'must be a string, a number or a boolean'),
  'must be an object',
);

/** One text, or a row of one. */
export const datumSchema = v.lazy((item) => (Array.isArray(item) ? v.array(v.string('must be a string')) : v.string('must be a string')));

/** The body of `POST /v2/models/{name}/infer`. */
export const inferRequestSchema = v.object(
  {
    /** Comes back with the answer. */
    id: v.optional(v.string('must be a string')),
    parameters: v.optional(inferParameters),
    /** One tensor, "text", of BYTES: `[n]`, or `[n, 1]`. */
    inputs: v.pipe(
      v.array(
        v.object(
          {
            name: v.literal(INPUT_NAME, `must be "${INPUT_NAME}"`),
            shape: v.pipe(
              v.array(size, 'must be an array of one or two whole numbers'),
              v.minLength(1, 'must have one or two numbers'),
              v.maxLength(2, 'must have one or two numbers'),
            ),
            datatype: v.literal('BYTES', 'must be "BYTES"'),
            parameters: anyParameters,
            /** The texts, flat, or in rows of one as the shape [n, 1] has them. */
            data: v.array(datumSchema, 'must be an array of strings'),
          },
          'must be an object with "name", "shape", "datatype" and "data"',
        ),
        'must be an array',
      ),
      v.length(1, `must hold one tensor, "${INPUT_NAME}"`),
    ),
    /** What to answer with; everything, unless told. */
    outputs: v.optional(
      v.array(
        v.object(
          { name: v.picklist(OUTPUT_NAMES, 'must be an output of the model, see its metadata'), parameters: anyParameters },
          'must be an object with "name"',
        ),
        'must be an array',
      ),
    ),
  },
  'must be an object with "inputs"',
);
export type InferRequest = v.InferOutput<typeof inferRequestSchema>;

const shape = v.array(v.pipe(v.number(), v.integer()));
const tensorMetadata = v.strictObject({ name, datatype: v.string(), shape });

/** What `GET /v2` answers. */
export const serverMetadataSchema = v.strictObject({ name, version: v.string(), extensions: v.array(v.string()) });

/** What `GET /v2/health/live` answers. */
export const liveSchema = v.strictObject({ live: v.literal(true) });
/** What `GET /v2/health/ready` answers. */
export const readySchema = v.strictObject({ ready: v.literal(true) });
/** What `GET /v2/models/{name}/ready` answers. */
export const modelReadySchema = v.strictObject({ name, ready: v.literal(true) });

/** What `GET /v2/models/{name}` answers. */
export const modelMetadataSchema = v.strictObject({
  name,
  versions: v.array(v.string()),
  platform: v.string(),
  inputs: v.array(tensorMetadata),
  outputs: v.array(tensorMetadata),
});

/** What is answered to a successful inference. */
export const inferResponseSchema = v.strictObject({
  model_name: name,
  model_version: v.string(),
  id: v.exactOptional(v.string()),
  outputs: v.array(
    v.strictObject({
      name: v.picklist(OUTPUT_NAMES),
      datatype: v.picklist(['BYTES', 'FP32']),
      shape,
      data: v.union([v.array(v.string()), v.array(v.number())]),
    }),
  ),
});

/** Every error below `/v2`. */
export const inferenceErrorSchema = v.strictObject({ error: v.string() });
