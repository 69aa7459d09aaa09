/** Bodies of the routes that read a document piece by piece; see schema.ts for those that read it whole. */
import * as v from 'valibot';

import { answerParametersSchema, anyAnswerSchema } from './schema.ts';

const parameters = v.optional(v.nullable(answerParametersSchema));

/** The text to stream. */
export const streamedTextSchema = v.string('must be a string: one text is streamed at a time');

/** The body of `POST /v1/classify/stream`. */
export const streamRequestSchema = v.strictObject(
  { inputs: streamedTextSchema, parameters },
  'must be an object with "inputs" and, if need be, "parameters"; no other entries',
);

/** What is sent after each chunk of a streamed text. */
export const streamEventSchema = v.strictObject({
  /** Tokens that the model has read. */
  tokens_read: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** Tokens in the whole text. */
  tokens: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** Whether this is the answer to the whole text. */
  final: v.boolean(),
  /** The answer to the text so far, in the shape of `POST /v1/classify`. */
  answer: anyAnswerSchema,
});

/** The next piece of a document. It may end anywhere, in the middle of a word too. */
export const pieceTextSchema = v.string('must be a string');
const wholeNumber = 'must be a whole number from 1 on';

/** The body of `POST /v1/sessions/{id}/text`. */
export const pieceRequestSchema = v.strictObject(
  {
    text: pieceTextSchema,
    /** 1 for the first piece, then one more each time: makes it safe to send a piece again. Unless told, the piece is the next. */
    sequence: v.optional(v.nullable(v.pipe(v.number(wholeNumber), v.safeInteger(wholeNumber), v.minValue(1, wholeNumber)))),
    parameters,
  },
  'must be an object with "text" and, if need be, "sequence" and "parameters"; no other entries',
);

/** The body of `POST /v1/classify/continue`. */
export const continueRequestSchema = v.strictObject(
  {
    text: pieceTextSchema,
    /** What was answered to the piece before. Unless told, the document begins here. */
    state: v.optional(v.nullable(v.string('must be the string that was answered as "state"'))),
    parameters,
  },
  'must be an object with "text" and, if need be, "state" and "parameters"; no other entries',
);

const progress = {
  /** The model that reads the document, and its version. */
  model: v.string(),
  version: v.string(),
  /** Tokens in the text so far. */
  tokens: v.pipe(v.number(), v.integer(), v.minValue(0)),
  /** The answer to the text so far, in the shape of `POST /v1/classify`; null while there is only white space. */
  answer: v.nullable(anyAnswerSchema),
  /** When the document is forgotten, unless a piece comes before. */
  expires_at: v.pipe(v.string(), v.isoTimestamp()),
};

/** What is answered to everything that concerns a session. */
export const sessionSchema = v.strictObject({
  id: v.string(),
  ...progress,
  /** The number of the last piece; 0 before the first. */
  sequence: v.pipe(v.number(), v.integer(), v.minValue(0)),
});

/** What `POST /v1/classify/continue` answers. */
export const continuedSchema = v.strictObject({
  ...progress,
  /** To be sent with the next piece. Signed: it must not be changed. Whoever has it can read the end of the text in it. */
  state: v.string(),
});
