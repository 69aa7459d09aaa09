/** Bodies of `/v1/explain`. */
import * as v from 'valibot';

/** Of a longer text, these words at most are left out one by one; each is a reading of the text. */
const MAX_OCCLUDED_WORDS = 100;

/** The text to explain. */
export const explainedTextSchema = v.string('must be a string: one text is explained at a time');

/** The label to explain. */
export const explainedLabelSchema = v.string('must be a string');

const wholeNumber = `must be a whole number from 0 to ${MAX_OCCLUDED_WORDS}`;

/** The body of `POST /v1/explain`. */
export const explainRequestSchema = v.strictObject(
  {
    inputs: explainedTextSchema,
    parameters: v.optional(
      v.nullable(
        v.strictObject(
          {
            /** The label that is explained; the likeliest one unless told. Not for regression, where the number is explained. */
            label: v.optional(v.nullable(explainedLabelSchema)),
            /** How a word is taken away: by `xxunk` in its place (unless told), or by nothing. */
            occlusion: v.optional(v.nullable(v.picklist(['unknown', 'left_out'], 'must be "unknown" or "left_out"'))),
            /** Words that are taken away at most, those that move the answer most. Unless told 100, and fewer of texts of more than 600 tokens. */
            max_words: v.optional(
              v.nullable(
                v.pipe(
                  v.number(wholeNumber),
                  v.integer(wholeNumber),
                  v.minValue(0, wholeNumber),
                  v.maxValue(MAX_OCCLUDED_WORDS, wholeNumber),
                ),
              ),
            ),
          },
          'must be an object with no other entries than "label", "occlusion" and "max_words"',
        ),
      ),
    ),
  },
  'must be an object with "inputs" and, if need be, "parameters"; no other entries',
);

/** What `POST /v1/explain` answers. */
export const explanationSchema = v.strictObject({
  /** The label that is explained; null for regression. */
  label: v.nullable(v.string()),
  /** Its probability, or the number, for the whole text. */
  value: v.number(),
  /** The same before the first word; null for a model that reads backwards. */
  start: v.nullable(v.number()),
  /** The order in which the values of the words came about. */
  direction: v.picklist(['forward', 'backward']),
  /** Whether two models answer together: the values are then the first one's, and `value` and the occlusions the mean of both. */
  pair: v.boolean(),
  /** How words were taken away. */
  occlusion: v.picklist(['unknown', 'left_out']),
  /** The text in which the words have their places, in UTF-16 units: the one sent, with its HTML resolved. */
  text: v.string(),
  words: v.array(
    v.strictObject({
      text: v.string(),
      start: v.number(),
      end: v.number(),
      /** The answer once this word has been read. */
      value: v.number(),
      /** What the answer loses without the word; null where that was not tried. */
      occlusion: v.nullable(v.number()),
      /** Whether the model does not know the word, or a part of it. */
      unknown: v.boolean(),
    }),
  ),
});
