/** Lines of `/v1/classify/ndjson`, there and back. */
import * as v from 'valibot';

import { anyAnswerSchema, errorSchema } from './schema.ts';

/** A line of the body. Other entries are let be, so that a file with labels can be sent as it is. */
export const lineSchema = v.looseObject(
  {
    text: v.string('must be a string'),
    id: v.optional(v.union([v.string(), v.number()], 'must be a string or a number')),
  },
  'must be a JSON object such as {"text": "…"}',
);

/** The line of the body that is answered, counted from 1, blank ones too. */
const line = v.pipe(v.number(), v.integer(), v.minValue(1));
/** As it came with the line. */
const id = v.exactOptional(v.union([v.string(), v.number()]));

/** A line of the answer: the answer to a line of the body, or why there is none; without a number, why the rest has no answer. */
export const lineAnswerSchema = v.union([
  v.strictObject({ line, id, answer: anyAnswerSchema }),
  v.strictObject({ line: v.exactOptional(line), id, ...errorSchema.entries }),
]);
